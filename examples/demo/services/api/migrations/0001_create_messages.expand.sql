create table messages (
  client text not null,
  seq bigint not null,
  text text not null,
  checksum text not null,
  created_at timestamptz not null default now(),
  primary key (client, seq)
);
