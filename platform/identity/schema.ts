/**
 * The tables of schema `identity`, as Kysely sees them: written by hand, and compared with the migrated database in
 * `service.test.ts`.
 */
export interface IdentityTables {
  readonly people: PeopleTable;
  readonly sessions: SessionsTable;
  readonly refresh_tokens: RefreshTokensTable;
  readonly login_attempts: LoginAttemptsTable;
}

export type SessionEnd = 'log-out' | 'reuse' | 'disabled';

interface PeopleTable {
  id: string;
  email: string;
  password_hash: string;
  display_name: string;
  language: string;
  created_at: Date;
  disabled_at: Date | null;
}

interface SessionsTable {
  id: string;
  person_id: string;
  created_at: Date;
  expires_at: Date;
  ended_at: Date | null;
  ended_because: SessionEnd | null;
}

interface RefreshTokensTable {
  hash: Buffer;
  session_id: string;
  predecessor: Buffer | null;
  expires_at: Date;
  used_at: Date | null;
  successor_salt: Buffer | null;
}

interface LoginAttemptsTable {
  key: Buffer;
  empty_at: Date;
}
