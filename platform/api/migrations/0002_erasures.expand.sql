-- Who asked to be erased, how far it is, and, when it is done, that it was: the ledger. It holds no personal data. `subject`
-- is a keyed hash of the person's id; the id itself is kept sealed while steps are still to be done, and then removed.
CREATE TABLE erasures (
  id            uuid PRIMARY KEY,
  subject       text NOT NULL UNIQUE CHECK (subject ~ '^[0-9a-f]{64}$'),
  sealed_person text,
  state         text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'erased', 'settled')),
  -- Steps that are done in this state, with a comma behind each.
  done          text NOT NULL DEFAULT '',
  requested_at  timestamptz NOT NULL DEFAULT now(),
  erased_at     timestamptz,
  settled_at    timestamptz,
  -- When somebody has to go on with it, and who does until when.
  due_at        timestamptz NOT NULL DEFAULT now(),
  leased_until  timestamptz,
  epoch         integer NOT NULL DEFAULT 0,
  failures      integer NOT NULL DEFAULT 0,
  failed_step   text,
  CHECK ((state = 'settled') = (sealed_person IS NULL))
);
CREATE INDEX erasures_due ON erasures (due_at) WHERE state <> 'settled';
