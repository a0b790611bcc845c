-- Rooms, their messages, who is in them.

create table rooms (
  id uuid primary key,
  name text not null check (char_length(name) between 1 and 80),
  created_by uuid,
  created_at timestamptz not null default now(),
  -- the number of the newest message; whoever writes one holds this row's lock until it is committed
  last_seq bigint not null default 0 check (last_seq >= 0)
);
create index rooms_created_by on rooms (created_by);
create index rooms_created_at on rooms (created_at, id);

-- Everybody who was ever connected. A message's author refers to it: a person who was erased cannot write any more, even
-- with a token that is still valid.
create table members (
  id uuid primary key,
  name text not null check (char_length(name) <= 200),
  since timestamptz not null default now()
);

create table messages (
  room uuid not null references rooms (id) on delete cascade,
  -- 1, 2, 3 … without a gap, in the order of the commits
  seq bigint not null check (seq > 0),
  -- chosen by the client, so that saying it again says it once; null when its author was erased
  id uuid,
  author uuid references members (id),
  text text not null,
  at timestamptz not null,
  primary key (room, seq)
);
create unique index messages_once on messages (room, author, id);
create index messages_author on messages (author);

-- Who is in which room by which instance, until when. It is written again every few seconds, so it need not survive a crash.
create unlogged table presence (
  room uuid not null references rooms (id) on delete cascade,
  person uuid not null references members (id) on delete cascade,
  instance uuid not null,
  until timestamptz not null,
  primary key (room, person, instance)
);
create index presence_person on presence (person);
create index presence_until on presence (until);

-- Hashes of people who were erased within the last hour: a token that outlives the erasure brings nobody back.
create table departures (
  subject bytea primary key,
  at timestamptz not null default now()
);
