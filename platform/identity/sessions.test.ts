import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, type Database } from '../database/connect.ts';
import { createLog } from '../kit/log.ts';
import { createMetrics } from '../kit/metrics.ts';
import { freshDatabase, type FreshDatabase } from '../rig/fresh-database.ts';
import { People } from './people.ts';
import type { IdentityTables } from './schema.ts';
import { LOST_ANSWER_SECONDS, REFRESH_TOKEN_SECONDS, type RefreshOutcome, Sessions } from './sessions.ts';

const START = 1_780_000_000_000;
let fresh: FreshDatabase;
let database: Database<IdentityTables>;
let now = START;
let sessions: Sessions;
/** A second instance of identity, on the same database. */
let others: Sessions;
let otherDatabase: Database<IdentityTables>;

beforeAll(async () => {
  fresh = await freshDatabase(['identity']);
  const open = (): Database<IdentityTables> => {
    const metrics = createMetrics({ service: 'identity' });
    metrics.close();
    return connect({ url: fresh.url, schema: 'identity', metrics, log: createLog({ level: 'silent', base: {} }) });
  };
  database = open();
  otherDatabase = open();
  sessions = new Sessions(database.write, () => now);
  others = new Sessions(otherDatabase.write, () => now);
});

afterAll(async () => {
  await Promise.all([database.close(), otherDatabase.close()]);
  await fresh.drop();
});

async function begin(id: string = randomUUID()): Promise<string> {
  await database.write
    .insertInto('people')
    .values({
      id,
      email: `${id}@example.org`,
      password_hash: '-',
      display_name: 'Ada',
      language: 'en',
      created_at: new Date(now),
      disabled_at: null,
    })
    .execute();
  const session = await sessions.begin(id);
  if (session === null) throw new Error('no session');
  return session.refreshToken;
}

function next(outcome: RefreshOutcome): string {
  if (!outcome.refreshed) throw new Error(`not refreshed: ${outcome.because}`);
  return outcome.session.refreshToken;
}

describe('a refresh token', () => {
  it('is taken for its successor, again and again', async () => {
    let token = await begin();
    const seen = new Set([token]);
    for (let i = 0; i < 10; i += 1) {
      token = next(await sessions.refresh(token));
      seen.add(token);
      now += 900_000;
    }

    expect(seen.size).toBe(11);
  });

  it('is not in the database, nor anything that it can be made of', async () => {
    const token = await begin();
    const successor = next(await sessions.refresh(token));
    const rows = await database.write.selectFrom('refresh_tokens').selectAll().execute();
    const stored = rows.flatMap((row) =>
      Object.values(row).map((value) => (Buffer.isBuffer(value) ? value : String(value))),
    );

    for (const secret of [token, successor]) {
      const bytes = Buffer.from(secret, 'base64url');
      expect(stored.some((value) => (Buffer.isBuffer(value) ? value.equals(bytes) : value.includes(secret)))).toBe(
        false,
      );
    }
  });

  it('that came again within 30 seconds gets the same successor, since the answer may have been lost', async () => {
    const token = await begin();
    const successor = next(await sessions.refresh(token));
    now += LOST_ANSWER_SECONDS * 1_000;

    expect(next(await others.refresh(token))).toBe(successor);
    expect(next(await sessions.refresh(successor))).not.toBe(successor);
  });

  it('that comes again later ends the session, also for who has its successor', async () => {
    const token = await begin();
    const successor = next(await sessions.refresh(token));
    now += LOST_ANSWER_SECONDS * 1_000 + 1;

    expect(await others.refresh(token)).toEqual({ refreshed: false, because: 'reuse' });
    expect(await sessions.refresh(successor)).toEqual({ refreshed: false, because: 'ended' });
  });

  it('that comes again after its successor was used ends the session, however soon', async () => {
    const stolen = await begin();
    const successor = next(await sessions.refresh(stolen));
    const current = next(await sessions.refresh(successor));

    expect(await others.refresh(stolen)).toEqual({ refreshed: false, because: 'reuse' });
    expect(await sessions.refresh(current)).toEqual({ refreshed: false, because: 'ended' });
  });

  it('is good for seven days and no second longer', async () => {
    const token = await begin();
    now += REFRESH_TOKEN_SECONDS * 1_000 - 1;
    const successor = next(await sessions.refresh(token));
    now += REFRESH_TOKEN_SECONDS * 1_000;

    expect(await sessions.refresh(successor)).toEqual({ refreshed: false, because: 'expired' });
  });

  it.for(['', 'x', 'A'.repeat(43), `${'A'.repeat(42)}B`, "' or 1=1 --", '\u0000'])(
    'that never was is unknown: %j',
    async (token) => {
      expect(await sessions.refresh(token)).toEqual({ refreshed: false, because: 'unknown' });
    },
  );

  it('of any age ends its session at log-out', async () => {
    const first = await begin();
    const second = next(await sessions.refresh(first));
    await others.endByToken(first);

    expect(await sessions.refresh(second)).toEqual({ refreshed: false, because: 'ended' });
  });
});

describe('many refreshes of one token at the same moment', () => {
  it('over two instances get one and the same successor, and the session goes on', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 16 }), fc.integer({ min: 0, max: 3 }), async (times, before) => {
        let token = await begin();
        for (let i = 0; i < before; i += 1) token = next(await sessions.refresh(token));
        const asked = Array.from({ length: times }, (_, index) => (index % 2 === 0 ? sessions : others).refresh(token));
        const successors = new Set((await Promise.all(asked)).map(next));

        expect(successors.size).toBe(1);
        const [successor = ''] = successors;
        expect((await sessions.refresh(successor)).refreshed).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it('end the session once when the token was stolen, whoever comes first', async () => {
    const stolen = await begin();
    const current = next(await sessions.refresh(next(await sessions.refresh(stolen))));
    const outcomes = await Promise.all([sessions, others, sessions, others].map((side) => side.refresh(stolen)));

    expect(outcomes.filter((outcome) => !outcome.refreshed && outcome.because === 'reuse')).toHaveLength(1);
    expect(outcomes.every(({ refreshed }) => !refreshed)).toBe(true);
    expect((await sessions.refresh(current)).refreshed).toBe(false);
  });
});

/** What anybody may do with the tokens of one session. */
type Step =
  | { readonly kind: 'present'; readonly back: number; readonly instance: 0 | 1 }
  | { readonly kind: 'wait'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('present' as const),
      back: fc.nat({ max: 3 }),
      instance: fc.constantFrom(0, 1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.constantFrom(
        1,
        10_000,
        30_000,
        30_001,
        900_000,
        REFRESH_TOKEN_SECONDS * 1_000 - 1,
        REFRESH_TOKEN_SECONDS * 1_000,
      ),
    }),
  },
);

it('a session does what the rule says, in whatever order tokens old and new are presented', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 16 }), async (steps) => {
      now = START;
      // The rule, in the simplest words: a chain, when each link was used and made, and whether it is over.
      const chain = [{ token: await begin(), madeAt: now, usedAt: null as number | null }];
      let over = false;
      for (const { kind, ...what } of steps) {
        if (kind === 'wait') {
          now += (what as { ms: number }).ms;
          continue;
        }
        const { back, instance } = what as { back: number; instance: 0 | 1 };
        const index = Math.max(chain.length - 1 - back, 0);
        const link = chain[index];
        if (link === undefined) throw new Error('no such link');
        const outcome = await (instance === 0 ? sessions : others).refresh(link.token);
        const said = outcome.refreshed ? outcome.session.refreshToken : outcome.because;
        if (over) expect(said).toBe('ended');
        else if (now - link.madeAt >= REFRESH_TOKEN_SECONDS * 1_000) expect(said).toBe('expired');
        else if (link.usedAt === null) {
          link.usedAt = now;
          expect(outcome.refreshed).toBe(true);
          chain.push({ token: said, madeAt: now, usedAt: null });
        } else if (index === chain.length - 2 && now - link.usedAt <= LOST_ANSWER_SECONDS * 1_000)
          expect(said).toBe(chain.at(-1)?.token);
        else {
          expect(said).toBe('reuse');
          over = true;
        }
      }
    }),
    { numRuns: 60 },
  );
});

it('nobody has a session who was disabled, however many log-ins and refreshes were under way', async () => {
  for (let round = 0; round < 5; round += 1) {
    const id = randomUUID();
    const token = await begin(id);
    const outcomes = await Promise.all([
      ...Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? sessions : others).begin(id)),
      new People(otherDatabase.write, () => now).disable(id),
      sessions.refresh(token),
      ...Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? sessions : others).begin(id)),
    ]);
    expect(outcomes).toHaveLength(22);
    const alive = await database.write
      .selectFrom('sessions')
      .select('id')
      .where('person_id', '=', id)
      .where('ended_at', 'is', null)
      .execute();

    expect(alive).toEqual([]);
    expect(await sessions.begin(id)).toBeNull();
  }
});

it('what has expired is swept, and nothing else', async () => {
  now = START + 100 * REFRESH_TOKEN_SECONDS * 1_000;
  while ((await sessions.sweep()) > 0);
  const old = await begin();
  now += 1_000;
  const kept = await begin();
  now += REFRESH_TOKEN_SECONDS * 1_000 - 500;

  // Its session, and its token before or with it.
  expect(await sessions.sweep()).toBeGreaterThan(0);
  expect(await sessions.refresh(old)).toEqual({ refreshed: false, because: 'unknown' });
  expect((await sessions.refresh(kept)).refreshed).toBe(true);
});
