import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chance, evenRoutes, recordOf, secondOf } from '../../core/analysis/testing/route-traffic.ts';
import { replay } from '../../core/analysis/replay.ts';
import type { Release } from '../../core/release/release.ts';
import type { DeploymentState } from '../../core/rollout/state.ts';
import { SecretStoreError } from '../../errors.ts';
import { explainDeployment, type ExplanationParts } from './explanation.ts';
import type { OpenEnvironment } from './environments.ts';

const START = 1_700_000_000;
const random = chance(2);
const models = evenRoutes(3, 100, (route) => (_, arm) => (arm === 'candidate' && route === 1 ? 0.5 : 0));
const record = recordOf(Array.from({ length: 20 }, (_, index) => secondOf(models, START + index, 20, random)));
const judged = replay(record).seconds.find(({ verdict }) => verdict === 'worse');

const state = {
  plan: {
    id: 'dep_2',
    environment: 'production',
    legs: [
      { service: 'web', stable: { release: 'rel_1', slot: 'blue' }, candidate: { release: 'rel_2', slot: 'green' } },
    ],
  },
  legs: [{ verdict: 'worse', evidence: judged?.evidence ?? null }],
  reason: { code: 'worse', leg: 0, text: 'worse' },
  endedAt: null,
} as unknown as DeploymentState;

const release = (id: string, environment: Readonly<Record<string, string>>): Release =>
  ({
    id,
    artifact: `sha256:${id}`,
    commit: 'a'.repeat(40),
    subject: `subject of ${id}`,
    dirty: false,
    config: { production: { source: 'web', environment } },
  }) as unknown as Release;

const releases = new Map([
  ['rel_1', release('rel_1', { GREETING: 'hello', API_KEY: 'old' })],
  ['rel_2', release('rel_2', { GREETING: 'hi swordfish9', API_KEY: 'new' })],
]);

function openWith(secret: () => string): OpenEnvironment {
  const line = (text: string, of = 'rel_2') => ({
    time: (START + 5) * 1_000,
    instance: 'web-green-1',
    release: of,
    stream: 'stderr',
    text,
  });
  return {
    secrets: {
      list: () => Promise.resolve([{ name: 'PASS' }]),
      get: async () => {
        await Promise.resolve();
        return secret();
      },
    },
    resources: new Map([
      [
        'db',
        {
          connection: () =>
            Promise.resolve({ environment: { DATABASE_URL: 'postgres://app:pa55word@db/shop', PGHOST: 'db' } }),
        },
      ],
    ]),
    parts: {
      runtime: {
        async *logs() {
          await Promise.resolve();
          yield line('Error: swordfish9 and pa55word refused by db');
          yield line('Error: of stable', 'rel_1');
        },
      },
    },
  } as unknown as OpenEnvironment;
}

let projectDir: string;
beforeEach(async () => {
  projectDir = await mkdtemp(join(tmpdir(), 'veza-explain-'));
});
afterEach(() => rm(projectDir, { recursive: true, force: true }));

const explain = async (open: OpenEnvironment | null, over: Partial<ExplanationParts> = {}) => {
  const parts: ExplanationParts = {
    projectDir,
    shelf: { has: (id) => releases.has(id), get: (id) => releases.get(id) ?? release(id, {}) },
    running: { evidence: { read: () => record } },
    opened: () => new Map(open === null ? [] : [['production', open]]),
    startedAtOf: () => START * 1_000,
    ...over,
  };
  const { legs } = await explainDeployment(state, parts, new AbortController().signal);
  const [leg] = legs;
  if (leg === undefined) throw new Error('no leg');
  return leg;
};

describe('the explanation of a deployment', () => {
  it('has the route, lines of the candidate alone, and what changed, without any secret', async () => {
    const leg = await explain(openWith(() => 'swordfish9'));
    expect(leg.kept?.attribution.routes[0]).toMatchObject({ route: 'GET /r1', certainty: 'found' });
    expect(leg.logs.map(({ text }) => text)).toEqual(['Error: [secret] and [secret] refused by db']);
    expect(leg.changes).toMatchObject({
      artifact: 'changed',
      commits: null,
      from: { release: 'rel_1' },
      to: { release: 'rel_2' },
    });
    expect(leg.changes?.configuration.map(({ key, masked }) => [key, masked])).toEqual([
      ['environment.API_KEY', true],
      ['environment.GREETING', true],
    ]);
    expect(JSON.stringify(leg)).not.toMatch(/swordfish9|pa55word/);
  });

  it('shows no line and no value when nobody can say what is secret', async () => {
    const leg = await explain(
      openWith(() => {
        throw new SecretStoreError('secrets.db', 'it is damaged', 'Restore it.');
      }),
    );
    expect(leg.logs).toEqual([]);
    expect(leg.notes.join()).toContain('no line of a log is shown');
    expect(
      leg.changes?.configuration.every(({ masked, before, after }) => masked && before === null && after === null),
    ).toBe(true);
  });

  it('says what it could not look at: an environment that is down, seconds and releases that are gone', async () => {
    const down = await explain(null);
    expect(down.notes.join()).toContain('production is down');
    expect(down.kept?.seconds).toBe(20);
    const old = await explain(
      openWith(() => ''),
      { running: { evidence: { read: () => null } }, shelf: { has: () => false, get: (id) => release(id, {}) } },
    );
    expect(old).toMatchObject({ verdict: 'worse', kept: null, changes: null, metric: 'errors' });
    expect(old.notes.join()).toMatch(/no seconds of it are kept.*rel_1 is not kept any more/);
    const unread = await explain(null, { running: { evidence: { read: () => 'unavailable' } } });
    expect(unread.notes.join()).toContain('cannot be read now');
  });
});
