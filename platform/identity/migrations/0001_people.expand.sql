-- Who can log in, their sessions, and the refresh tokens of each session.

create table people (
  id uuid primary key,
  -- as `email.ts` writes it: without blanks, in lower case
  email text not null unique check (char_length(email) between 3 and 254),
  -- Argon2id in PHC form, with its parameters
  password_hash text not null,
  -- what was given at registration; the profile that others see is api's
  display_name text not null check (char_length(display_name) between 1 and 80),
  language text not null check (char_length(language) between 2 and 35),
  created_at timestamptz not null,
  -- on the way to being erased: logs in no more
  disabled_at timestamptz
);

-- A session begins with a log-in. It is the family of the refresh tokens that came one out of the other.
create table sessions (
  id uuid primary key,
  person_id uuid not null references people (id) on delete cascade,
  created_at timestamptz not null,
  -- of its newest refresh token
  expires_at timestamptz not null,
  ended_at timestamptz,
  ended_because text check (ended_because in ('log-out', 'reuse', 'disabled')),
  check ((ended_at is null) = (ended_because is null))
);
create index sessions_person on sessions (person_id);
create index sessions_expires_at on sessions (expires_at);

create table refresh_tokens (
  -- SHA-256 of the token, which has 256 random bits
  hash bytea primary key,
  session_id uuid not null references sessions (id) on delete cascade,
  -- the token that this one came out of; null for that of the log-in
  predecessor bytea,
  expires_at timestamptz not null,
  used_at timestamptz,
  -- From the first use of the token to the first use of its successor: out of this and the token itself, which is not stored, the
  -- same successor is made again for a client that lost the answer.
  successor_salt bytea
);
create index refresh_tokens_session on refresh_tokens (session_id);
create index refresh_tokens_expires_at on refresh_tokens (expires_at);

-- How many log-ins failed, by keyed hashes of account and address, over all instances (a leaky bucket in one number).
create table login_attempts (
  key bytea primary key,
  -- when the bucket will be empty again, if nothing more comes
  empty_at timestamptz not null
);
create index login_attempts_empty_at on login_attempts (empty_at);
