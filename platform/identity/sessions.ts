import { randomBytes, randomUUID } from 'node:crypto';
import { type Kysely, sql, type Transaction } from 'kysely';
import { hashRefreshToken, newRefreshToken, successorOf } from './refresh-token.ts';
import type { IdentityTables, SessionEnd } from './schema.ts';

/** A session ends when it is not refreshed for so long (guide 13.2). */
export const REFRESH_TOKEN_SECONDS = 7 * 24 * 3_600;
/** How long a refresh token may be presented again, as long as its successor has not been used: the answer may have been lost. */
export const LOST_ANSWER_SECONDS = 30;
const SALT_BYTES = 32;

export interface LiveSession {
  readonly personId: string;
  readonly sessionId: string;
  readonly refreshToken: string;
}

/** Why a refresh was refused: never told to the client, who can only log in again. */
export type RefreshRefusal = 'unknown' | 'expired' | 'ended' | 'reuse';
export type RefreshOutcome =
  | { readonly refreshed: true; readonly session: LiveSession }
  | { readonly refreshed: false; readonly because: RefreshRefusal };

/**
 * Sessions, each a chain of refresh tokens of which the last is good. A token that was used before is a theft, of it or of its
 * successor, and ends the session (RFC 9700 section 4.14.2), with one exception for lost answers.
 */
export class Sessions {
  readonly #db: Kysely<IdentityTables>;
  readonly #clock: () => number;

  /** @param clock - milliseconds since 1970 */
  constructor(db: Kysely<IdentityTables>, clock: () => number) {
    this.#db = db;
    this.#clock = clock;
  }

  /**
   * Begins a session of somebody who has logged in; within the transaction of a registration, if there is one.
   *
   * @returns null when the person was disabled or erased meanwhile
   */
  async begin(personId: string, db: Kysely<IdentityTables> = this.#db): Promise<LiveSession | null> {
    const now = this.#clock();
    const sessionId = randomUUID();
    const refreshToken = newRefreshToken();
    const expiresAt = inSeconds(now, REFRESH_TOKEN_SECONDS);
    const { hash } = unused(refreshToken, sessionId, null, expiresAt);
    // One statement, so that no session is ever without a token; and locked against `disable`, which ends all that it can see.
    const { rows } = await sql`
      with person as (
        select id from people where id = ${personId} and disabled_at is null for share
      ), session as (
        insert into sessions (id, person_id, created_at, expires_at)
        select ${sessionId}, id, ${new Date(now)}, ${expiresAt} from person returning id
      )
      insert into refresh_tokens (hash, session_id, expires_at)
      select ${hash}, id, ${expiresAt} from session returning session_id
    `.execute(db);
    return rows.length === 0 ? null : { personId, sessionId, refreshToken };
  }

  /** Takes a refresh token for its successor, or ends the session when it is not the client's alone any more. */
  async refresh(token: string): Promise<RefreshOutcome> {
    const hash = hashRefreshToken(token);
    if (hash === null) return { refreshed: false, because: 'unknown' };
    return await this.#db.transaction().execute(async (transaction) => {
      const found = await lockSessionOf(transaction, hash);
      if (found === null) return { refreshed: false, because: 'unknown' };
      // Read after the lock: whoever had it before may have used this token.
      const row = await transaction
        .selectFrom('refresh_tokens')
        .select(['used_at', 'expires_at', 'successor_salt', 'predecessor'])
        .where('hash', '=', hash)
        .executeTakeFirst();
      if (row === undefined) return { refreshed: false, because: 'unknown' };
      const { id: sessionId, person_id: personId } = found;
      const now = this.#clock();
      if (found.ended_at !== null) return { refreshed: false, because: 'ended' };
      if (row.expires_at.getTime() <= now) return { refreshed: false, because: 'expired' };
      if (row.used_at === null) {
        const refreshToken = await succeed(transaction, { token, hash, sessionId, predecessor: row.predecessor, now });
        return { refreshed: true, session: { personId, sessionId, refreshToken } };
      }
      if (row.successor_salt !== null && now - row.used_at.getTime() <= LOST_ANSWER_SECONDS * 1_000) {
        const refreshToken = successorOf(token, row.successor_salt);
        return { refreshed: true, session: { personId, sessionId, refreshToken } };
      }
      await end(transaction, sessionId, 'reuse', now);
      return { refreshed: false, because: 'reuse' };
    });
  }

  /** Ends the session that the refresh token belongs to, whichever of its tokens it is. Nothing happens when there is none. */
  async endByToken(token: string): Promise<void> {
    const hash = hashRefreshToken(token);
    if (hash === null) return;
    const row = await this.#db
      .selectFrom('refresh_tokens')
      .select('session_id')
      .where('hash', '=', hash)
      .executeTakeFirst();
    if (row !== undefined) await end(this.#db, row.session_id, 'log-out', this.#clock());
  }

  /** Ends one session of a person. */
  async endById(sessionId: string): Promise<void> {
    await end(this.#db, sessionId, 'log-out', this.#clock());
  }

  /** Deletes what has expired, in small bites. @returns how many rows went */
  async sweep(limit = 1_000): Promise<number> {
    const before = new Date(this.#clock());
    const tokens = await this.#db
      .deleteFrom('refresh_tokens')
      .where('hash', 'in', (from) =>
        from.selectFrom('refresh_tokens').select('hash').where('expires_at', '<', before).limit(limit),
      )
      .executeTakeFirst();
    const sessions = await this.#db
      .deleteFrom('sessions')
      .where('id', 'in', (from) =>
        from.selectFrom('sessions').select('id').where('expires_at', '<', before).limit(limit),
      )
      .executeTakeFirst();
    return Number(tokens.numDeletedRows + sessions.numDeletedRows);
  }
}

async function lockSessionOf(transaction: Transaction<IdentityTables>, hash: Buffer) {
  const session = await transaction
    .selectFrom('sessions')
    .select(['id', 'person_id', 'ended_at'])
    .where('id', '=', (from) => from.selectFrom('refresh_tokens').select('session_id').where('hash', '=', hash))
    .forUpdate()
    .executeTakeFirst();
  return session ?? null;
}

interface Use {
  readonly token: string;
  readonly hash: Buffer;
  readonly sessionId: string;
  readonly predecessor: Buffer | null;
  readonly now: number;
}

/** The first use of a token: its successor is made, and its own predecessor can never be presented again. */
async function succeed(transaction: Transaction<IdentityTables>, use: Use): Promise<string> {
  const { token, hash, sessionId, predecessor, now } = use;
  const salt = randomBytes(SALT_BYTES);
  const successor = successorOf(token, salt);
  const expires_at = inSeconds(now, REFRESH_TOKEN_SECONDS);
  await transaction
    .insertInto('refresh_tokens')
    .values(unused(successor, sessionId, hash, expires_at))
    .execute();
  await transaction
    .updateTable('refresh_tokens')
    .set({ used_at: new Date(now), successor_salt: salt })
    .where('hash', '=', hash)
    .execute();
  if (predecessor !== null)
    await transaction
      .updateTable('refresh_tokens')
      .set({ successor_salt: null })
      .where('hash', '=', predecessor)
      .execute();
  await transaction.updateTable('sessions').set({ expires_at }).where('id', '=', sessionId).execute();
  return successor;
}

async function end(db: Kysely<IdentityTables>, sessionId: string, because: SessionEnd, now: number): Promise<void> {
  await db
    .updateTable('sessions')
    .set({ ended_at: new Date(now), ended_because: because })
    .where('id', '=', sessionId)
    .where('ended_at', 'is', null)
    .execute();
}

function unused(token: string, session_id: string, predecessor: Buffer | null, expires_at: Date) {
  const hash = hashRefreshToken(token);
  if (hash === null) throw new TypeError('a refresh token was made that is none');
  return { hash, session_id, predecessor, expires_at, used_at: null, successor_salt: null };
}

function inSeconds(now: number, seconds: number): Date {
  return new Date(now + seconds * 1_000);
}
