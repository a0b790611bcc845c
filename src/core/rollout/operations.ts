import type { OperationKind } from './operation.ts';
import type { Phase } from './state.ts';

/** What an operation means in a phase: it does something, or it is refused with the reason and what to do instead. */
export type Rule = { readonly does: string } | { readonly refused: string; readonly instead: string };

const does = (text: string): Rule => ({ does: text });
const no = (refused: string, instead: string): Rule => ({ refused, instead });

const ENDED = {
  succeeded: no('the deployment has succeeded', 'start a new one: `veza deploy`, or `veza rollback` to go back'),
  reverted: no('the deployment has been taken back', 'start it again: `veza retry`'),
  refused: no('the deployment was refused before it started', 'fix what was refused and `veza retry`'),
} as const;

const WAY_BACK = {
  reverting: no('the deployment is already being taken back', 'wait for it to end: `veza watch`'),
  stuck: no('the undo is stuck and is tried for ever', 'bring the router back; `veza retry` tries at once'),
} as const;

const COMMITTED = no('the deployment has committed', 'go back with a new deployment: `veza rollback`');

const everywhereBefore = (rule: Rule) => ({
  pending: rule,
  preparing: rule,
  migrating: rule,
  starting: rule,
  checking: rule,
  mirroring: rule,
  stepping: rule,
  switched: rule,
  watching: rule,
});

const TAKES_BACK = does('takes everything back, last leg first; stable has 100 %');
const NOTHING_TO_SKIP = no('this phase waits for work, not for time', 'wait; `promote` skips waiting, never readiness');
const NOT_WAITING = no('nothing waits for an approval', 'nothing to do');
const NOT_ENDED = no('the deployment has not ended', 'abort it first: `veza abort`');

/** Every operation in every phase (ROLLOUT section 8). The documentation's table is generated from this. */
export const OPERATIONS: Readonly<Record<OperationKind, Readonly<Record<Phase, Rule>>>> = {
  pause: {
    ...everywhereBefore(does('makes no further step until resumed; a worse verdict still takes it back')),
    committing: no('the commit is being recorded', 'let it finish; `veza rollback` goes back afterwards'),
    retiring: COMMITTED,
    ...WAY_BACK,
    ...ENDED,
  },
  resume: {
    ...everywhereBefore(does('goes on; the phase gets the time it had left')),
    committing: no('nothing is paused', 'nothing to do'),
    retiring: no('nothing is paused', 'nothing to do'),
    ...WAY_BACK,
    ...ENDED,
  },
  promote: {
    ...everywhereBefore(NOTHING_TO_SKIP),
    starting: does('`all`: skips every later wait; readiness is still required'),
    checking: does('`all`: skips every later wait; smoke tests are still required'),
    mirroring: does('ends the copies and goes on to the first step (`next`), or skips all waiting (`all`)'),
    stepping: does('skips the rest of this step (`next`) or all waiting (`all`)'),
    switched: does('skips the watch window'),
    watching: does('ends the watch window'),
    committing: no('the commit is being recorded', 'nothing to do'),
    retiring: COMMITTED,
    ...WAY_BACK,
    ...ENDED,
  },
  abort: {
    ...everywhereBefore(TAKES_BACK),
    pending: does('ends it; nothing has been touched'),
    preparing: does('ends it; nothing has been touched'),
    committing: does('takes everything back if the commit is not in the journal yet'),
    retiring: COMMITTED,
    ...WAY_BACK,
    ...ENDED,
  },
  rollback: {
    ...everywhereBefore(TAKES_BACK),
    pending: does('ends it; nothing has been touched'),
    preparing: does('ends it; nothing has been touched'),
    committing: does('takes everything back if the commit is not in the journal yet'),
    retiring: no('the deployment has committed', 'a rollback is a deployment of its own: `veza rollback SERVICE`'),
    ...WAY_BACK,
    ...ENDED,
  },
  retry: {
    ...everywhereBefore(NOT_ENDED),
    committing: NOT_ENDED,
    retiring: NOT_ENDED,
    reverting: does('tries what is waiting for its turn at once'),
    stuck: does('tries the undo at once'),
    succeeded: ENDED.succeeded,
    reverted: no('an ended deployment never changes', 'a retry is a deployment of its own: `veza retry`'),
    refused: no('an ended deployment never changes', 'a retry is a deployment of its own: `veza retry`'),
  },
  approve: {
    ...everywhereBefore(NOT_WAITING),
    pending: does('is remembered; it starts without waiting once it is its turn'),
    preparing: does('lets it start'),
    committing: NOT_WAITING,
    retiring: NOT_WAITING,
    ...WAY_BACK,
    ...ENDED,
  },
};

/** Null when the operation is allowed in the phase, else why not and what to do instead. */
export function refusal(kind: OperationKind, phase: Phase): { readonly why: string; readonly instead: string } | null {
  const rule = OPERATIONS[kind][phase];
  return 'does' in rule ? null : { why: rule.refused, instead: rule.instead };
}
