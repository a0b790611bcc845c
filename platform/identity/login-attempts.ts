import { createHmac } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { type Kysely, sql } from 'kysely';
import { Problem } from '../kit/problem.ts';
import type { IdentityTables } from './schema.ts';

/** So many in a row, then one more each `everyMs`. */
interface Allowance {
  readonly burst: number;
  readonly everyMs: number;
}

/**
 * Tight for one account from one address; wide for an account from everywhere, or a stranger could lock its owner out, but not so
 * wide that a botnet can guess for long; and for one address over all accounts, where many people may share one.
 */
const ALLOWANCES = {
  pair: { burst: 5, everyMs: 30_000 },
  account: { burst: 50, everyMs: 20_000 },
  address: { burst: 50, everyMs: 5_000 },
} as const satisfies Record<string, Allowance>;
type Kind = keyof typeof ALLOWANCES;

/** An attempt under way, counted as failed until it is taken back. */
export interface Attempt {
  /** It was none: the password was right, or was not looked at. */
  takeBack(): Promise<void>;
}

/**
 * Counts failed log-ins in the database, over all instances: a leaky bucket (generic cell rate algorithm, ITU-T I.371) per account,
 * address, and pair of the two. Each attempt is counted before the password is looked at, so that many at once get no further.
 */
export class LoginAttempts {
  readonly #db: Kysely<IdentityTables>;
  readonly #clock: () => number;
  readonly #key: Buffer;

  /**
   * @param clock - milliseconds since 1970
   * @param secret - the same for all instances: neither accounts nor addresses can be found again from what is stored
   */
  constructor(db: Kysely<IdentityTables>, clock: () => number, secret: string) {
    this.#db = db;
    this.#clock = clock;
    this.#key = createHmac('sha256', secret).update('veza identity log-in attempts').digest();
  }

  /** @throws Problem 429 `too-many-attempts` with the time to wait */
  async logIn(email: string, address: string): Promise<Attempt> {
    const from = networkOf(address);
    return await this.#take([
      ['pair', `${email}\0${from}`],
      ['account', email],
      ['address', from],
    ]);
  }

  /** Asking which addresses have an account, by registering them, counts as well. @throws Problem 429 `too-many-attempts` */
  async register(address: string): Promise<Attempt> {
    return await this.#take([['address', networkOf(address)]]);
  }

  /** Somebody who is logged in says their password again. @throws Problem 429 `too-many-attempts` */
  async confirm(personId: string): Promise<Attempt> {
    return await this.#take([['pair', personId]]);
  }

  /** Deletes buckets that are empty again. @returns how many */
  async sweep(limit = 1_000): Promise<number> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('login_attempts')
      .where('key', 'in', (from) =>
        from
          .selectFrom('login_attempts')
          .select('key')
          .where('empty_at', '<', new Date(this.#clock()))
          .limit(limit)
          .forUpdate()
          .skipLocked(),
      )
      .executeTakeFirst();
    return Number(numDeletedRows);
  }

  async #take(buckets: readonly (readonly [Kind, string])[]): Promise<Attempt> {
    const keyed = buckets.map(([kind, value]) => ({ key: this.#hash(kind, value), ...ALLOWANCES[kind] }));
    // All or none. Always in the same order of kinds, so that two transactions never wait for each other.
    await this.#db.transaction().execute(async (transaction) => {
      for (const bucket of keyed) await fill(transaction, bucket, this.#clock());
    });
    return {
      takeBack: async () => {
        for (const { key, everyMs } of keyed)
          await this.#db
            .updateTable('login_attempts')
            .set({ empty_at: sql<Date>`empty_at - ${everyMs} * interval '1 millisecond'` })
            .where('key', '=', key)
            .execute();
      },
    };
  }

  #hash(kind: Kind, value: string): Buffer {
    return createHmac('sha256', this.#key).update(`${kind}\0${value}`).digest();
  }
}

async function fill(
  db: Kysely<IdentityTables>,
  { key, burst, everyMs }: Allowance & { readonly key: Buffer },
  now: number,
): Promise<void> {
  const cost = sql`${everyMs} * interval '1 millisecond'`;
  const fullFrom = new Date(now + (burst - 1) * everyMs);
  const filled = await db
    .insertInto('login_attempts')
    .values({ key, empty_at: new Date(now + everyMs) })
    .onConflict((conflict) =>
      conflict
        .column('key')
        .doUpdateSet({ empty_at: sql<Date>`greatest(login_attempts.empty_at, ${new Date(now)}) + ${cost}` })
        .where('login_attempts.empty_at', '<=', fullFrom),
    )
    .returning('empty_at')
    .executeTakeFirst();
  if (filled !== undefined) return;
  const row = await db.selectFrom('login_attempts').select('empty_at').where('key', '=', key).executeTakeFirst();
  const waitMs = Math.max((row?.empty_at.getTime() ?? now) - fullFrom.getTime(), 1_000);
  const detail = 'Too many log-ins have failed. Wait before the next.';
  throw new Problem(429, 'too-many-attempts', detail, { retryAfterSeconds: Math.ceil(waitMs / 1_000) });
}

/** IPv6 by its /64: one subscriber has as many addresses in it as they like. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1] !== undefined) return mapped[1];
  const [head = '', tail] = address.split('%', 1)[0]?.split('::') ?? [];
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array<string>(Math.max(gap, 0)).fill('0'), ...right]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
