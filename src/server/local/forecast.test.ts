import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ForecastRequest, ForecastView } from '../../api/forecast-schemas.ts';
import { balanced, oneRoute, simulatedLeg } from '../../core/analysis/testing/simulated-leg.ts';
import type { Release } from '../../core/release/release.ts';
import { Ledger } from '../../core/rollout/ledger.ts';
import { Stage } from '../../core/rollout/testing/stage.ts';
import { testLeg, testPlan } from '../../core/rollout/testing/plans.ts';
import { parsePlatform } from '../../core/spec/parse-platform.ts';
import type { Environment } from '../../core/spec/platform.ts';
import { EvidenceBook } from '../../engine/evidence-book.ts';
import { UnknownNameError } from '../../errors.ts';
import { MemoryEvidenceStore } from '../../store/memory-evidence-store.ts';
import { forecast, type ForecastParts } from './forecast.ts';

const run = promisify(execFile);
const signal = new AbortController().signal;
const ALL: ForecastRequest = { services: [], strategy: null };

let folder = '';
let ledger = new Ledger();
let store = new MemoryEvidenceStore();
let releases: Release[] = [];

const git = async (...args: readonly string[]): Promise<string> => {
  const settings = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false'];
  return (await run('git', [...settings, ...args], { cwd: folder })).stdout.trim();
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'veza-plan-'));
  [ledger, store, releases] = [new Ledger(), new MemoryEvidenceStore(), []];
  await mkdir(join(folder, 'api'));
  await writeFile(join(folder, 'api/server.js'), '1\n');
  await writeFile(join(folder, 'veza.config.ts'), '// declared\n');
  await git('init', '--quiet', '--initial-branch=main');
  await git('add', '--all');
  await git('commit', '--quiet', '--message', 'Begin');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function declared(environment: object = {}, service: object = {}): Environment {
  const strategy = { kind: 'canary', steps: [5, 25], watch: '2m' };
  const parsed = parsePlatform({
    name: 'shop',
    services: { api: { source: './api/', run: 'node server.js', strategy, ...service } },
    environments: { staging: {}, production: environment },
  });
  if (!parsed.ok) throw new Error(parsed.mistakes.map(({ message }) => message).join('\n'));
  const found = parsed.platform.environments.production;
  if (found === undefined) throw new Error('no production');
  return found;
}

const foretell = (environment: Environment, request: ForecastRequest = ALL): Promise<ForecastView> => {
  const parts = {
    projectDir: folder,
    running: { ledger, evidence: new EvidenceBook(store, () => {}) },
    catalog: { list: () => Promise.resolve(releases.map((release, order) => ({ release, order }))) },
    shelf: {
      has: (id: string) => releases.some((release) => release.id === id),
      get: (id: string) => {
        const found = releases.find((release) => release.id === id);
        if (found === undefined) throw new RangeError(id);
        return found;
      },
    },
  } satisfies ForecastParts;
  return forecast(parts, environment, request, signal);
};

/** What has been built of the commit that is checked out. */
async function build(environment: Environment, more: Partial<Release> = {}): Promise<Release> {
  const service = environment.services.api;
  if (service === undefined) throw new Error('no api');
  const release = {
    id: `rel_${releases.length}` as Release['id'],
    service: service.name,
    artifact: `sha256:${releases.length}` as Release['artifact'],
    artifactBytes: 1,
    configuration: '' as Release['configuration'],
    config: { [environment.name]: service },
    source: '' as Release['source'],
    commit: await git('rev-parse', 'HEAD'),
    subject: await git('log', '-1', '--format=%s'),
    dirty: false,
    builder: 'test',
    builtAt: 0,
    ...more,
  };
  releases.unshift(release);
  return release;
}

function putLive(release: Release, environment: string): void {
  const leg = testLeg('api', { stable: null, candidate: { slot: 'blue', release: release.id } });
  ledger.put(new Stage(testPlan([leg], { id: `dep_${releases.length}`, environment })).toTheEnd());
}

async function commit(subject: string): Promise<void> {
  await writeFile(join(folder, 'api/server.js'), `${subject}\n`);
  await git('commit', '--quiet', '--all', '--message', subject);
}

const only = ({ services }: ForecastView) => {
  const [service] = services;
  if (service === undefined) throw new Error('no service foretold');
  return service;
};

describe('what would be deployed', () => {
  it('is what is committed, where nothing is live', async () => {
    const view = await foretell(declared());
    expect(only(view)).toMatchObject({
      live: null,
      next: { release: null, subject: 'Begin', changes: [] },
      traffic: null,
    });
  });

  it('is nothing, where that is live', async () => {
    const environment = declared();
    putLive(await build(environment), 'production');
    const view = await foretell(environment);
    expect(only(view)).toMatchObject({ live: { subject: 'Begin' }, next: null, commits: [], configuration: [] });
    expect(view.gates).toEqual([]);
  });

  it('names commits of the service alone, and keys that are declared otherwise, without their values', async () => {
    const environment = declared();
    putLive(await build(environment), 'production');
    await commit('Take the discount');
    await writeFile(join(folder, 'README'), 'elsewhere\n');
    await git('add', '--all');
    await git('commit', '--quiet', '--message', 'Write about it');
    const view = await foretell(declared({}, { environment: { NOTE: 'hunter2' } }));
    expect(only(view).commits.map(({ subject }) => subject)).toEqual(['Take the discount']);
    expect(only(view).configuration).toEqual(['environment.NOTE']);
    expect(JSON.stringify(view)).not.toContain('hunter2');
  });

  it('says that it is built already', async () => {
    const environment = declared();
    const release = await build(environment);
    expect(only(await foretell(environment)).next).toMatchObject({ release: release.id });
  });

  it('follows the strategy that is asked for', async () => {
    const environment = declared();
    putLive(await build(environment), 'production');
    await commit('Other');
    const view = await foretell(environment, { services: ['api'], strategy: 'blue-green' });
    expect(only(view)).toMatchObject({ strategy: 'blue-green', stages: [{ name: 'watch', weight: 100 }] });
  });

  it('knows no other service', async () => {
    await expect(foretell(declared(), { services: ['apy'], strategy: null })).rejects.toThrow(UnknownNameError);
  });
});

describe('what is in the way', () => {
  const gates = (view: ForecastView): readonly (readonly [string, string])[] =>
    view.gates.map(({ gate, state }) => [gate, state]);

  it('changes that are not committed', async () => {
    await writeFile(join(folder, 'api/server.js'), 'other\n');
    const view = await foretell(declared());
    expect(gates(view)).toContainEqual(['source', 'refuses']);
    expect(view.gates.map(({ text }) => text).join()).toContain('api/server.js');
  });

  it('no repository', async () => {
    await rm(join(folder, '.git'), { recursive: true });
    const view = await foretell(declared());
    expect(gates(view)).toContainEqual(['source', 'refuses']);
    expect(only(view).next).toBeNull();
  });

  it('an artifact that has not succeeded where it must', async () => {
    const environment = declared({ gates: { requires: 'staging' } });
    expect(gates(await foretell(environment))).toContainEqual(['requires', 'refuses']);
    const release = await build(environment);
    const refused = await foretell(environment);
    expect(gates(refused)).toContainEqual(['requires', 'refuses']);
    expect(refused.gates.map(({ hint }) => hint).join()).toContain('veza deploy api');
    putLive(release, 'staging');
    expect(gates(await foretell(environment))).toContainEqual(['requires', 'passes']);
  });

  it('a person who must approve, and a deployment under way', async () => {
    const environment = declared({ gates: { approval: true } });
    const stage = new Stage(testPlan([testLeg('api')], { id: 'dep_7', environment: 'production' }));
    stage.until((state) => {
      ledger.put(state);
      return state.phase === 'stepping';
    });
    const view = await foretell(environment);
    expect(gates(view)).toContainEqual(['approval', 'waits']);
    expect(view.gates.find(({ gate }) => gate === 'active')).toMatchObject({
      state: 'waits',
      hint: '`veza watch dep_7`',
    });
    const refusing = declared({}, { strategy: { kind: 'canary', onNew: 'refuse' } });
    expect(gates(await foretell(refusing))).toContainEqual(['active', 'refuses']);
  });
});

describe('what it will see', () => {
  it('follows from the minutes of the last week', async () => {
    const environment = declared();
    putLive(await build(environment), 'production');
    await commit('Other');
    const minute = Math.floor(Date.now() / 60_000);
    const { past } = simulatedLeg({
      seed: 2,
      requestsPerSecond: 50,
      errorShare: 0.001,
      routes: oneRoute(0),
      phases: [],
      settings: balanced,
      pastMinutes: 3,
      from: minute * 60,
      after: 0,
    });
    for (const one of past) store.keepMinute('production', 'api', one);
    const service = only(await foretell(environment));
    expect(service.traffic?.minutes).toBe(3);
    expect(service.traffic?.typical.requestsPerSecond).toBeCloseTo(50, -1);
    const shares = service.stages.map(({ smallest }) => smallest.typical ?? 1);
    expect(shares).toEqual([...shares].sort((a, b) => b - a));
    expect(shares.at(-1)).toBeLessThan(0.05);
    expect(service.wellMs).toBeGreaterThanOrEqual(120_000);
  });
});
