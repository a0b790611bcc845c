import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SERVICES } from '../../src/demo/project.ts';
import { isClean, Traffic, type TrafficReport } from '../../src/demo/traffic.ts';
import { DeployedPlatform } from './deployed-platform.ts';

// The music platform under people who check every answer: both releases side by side on a schema that only the newer one
// needs, taken back with the schema as it is, and then for good.

let platform: DeployedPlatform;
let traffic: Traffic;
let report: TrafficReport;
let phases: readonly string[] = [];
let bad: readonly string[] = [];
let columns: { readonly before: boolean; readonly afterTakenBack: boolean; readonly after: boolean };
let sideBySide: readonly number[] = [];

beforeAll(async () => {
  // What is tried here are answers, not whether a busy machine is as fast as a quiet one.
  platform = await DeployedPlatform.start((config) =>
    config.replace("maxP99: '3s'", "maxP99: '9s'").replace("idle: 'pause'", "idle: 'proceed'"),
  );
  const first = await platform.deploy(await platform.build('v1', SERVICES), { strategy: 'blue-green' });
  const live = await platform.follow(first.id);
  await platform.seed('tiny');
  const databaseUrl = await platform.run('api', [process.execPath, '-p', 'process.env.DATABASE_URL']);
  const before = await hasMood(databaseUrl.trim());
  traffic = new Traffic(platform.project.url, ['--rate', '20', '--people', '16', '--seeded', 'tiny:1']);

  // v2 brings the column and fails: its migration is applied, its code is taken back.
  bad = await platform.build('v2', SERVICES, ['mood', 'failing']);
  const second = await platform.follow((await platform.deploy(bad)).id);
  const afterTakenBack = await hasMood(databaseUrl.trim());

  const good = await platform.build('v3', SERVICES, ['mended']);
  const third = await platform.deploy(good);
  const weights = new Set<number>();
  const committed = await platform.follow(third.id, (view) => {
    for (const { weight } of view.legs) weights.add(weight);
    return false;
  });
  const after = await hasMood(databaseUrl.trim());
  phases = [live.phase, second.phase, committed.phase];
  columns = { before, afterTakenBack, after };
  sideBySide = [...weights].filter((weight) => weight > 0 && weight < 100);
  report = await traffic.stop();
}, 600_000);

afterAll(async () => {
  await traffic?.stop().catch(() => undefined);
  await platform?.stop();
}, 120_000);

describe('a train of all five services under people who use them', () => {
  test('ends as it must: live, taken back, live', () => {
    expect(phases).toEqual(['succeeded', 'reverted', 'succeeded']);
  });

  test('loses nothing, answers nothing wrong, logs nobody out, and every chat message reaches everybody', () => {
    expect(report.lostDetails).toEqual([]);
    expect(report.wrongDetails).toEqual([]);
    expect(report.loggedOutDetails).toEqual([]);
    expect(report.chat.missing).toBe(0);
    expect(isClean(report)).toBe(true);
  });

  test('was tried with what people do', () => {
    expect(report.requests).toBeGreaterThan(500);
    expect(report.chat.acknowledged).toBeGreaterThan(50);
    expect(report.chat.delivered).toBe(report.chat.acknowledged * 4);
    expect(report.chat.reconnects).toBeGreaterThan(0);
    expect(report.audioBytes).toBeGreaterThan(1_000_000);
  });

  test('lets only the release fail that fails on purpose', () => {
    expect(Object.keys(report.failedByReleases).filter((release) => !bad.includes(release))).toEqual([]);
    expect(report.failedByRelease).toBeGreaterThan(0);
  });

  test('leaves the schema as the migration made it when the release is taken back', () => {
    expect(columns).toEqual({ before: false, afterTakenBack: true, after: true });
  });

  test('has both releases answer at the same time, on the same schema', () => {
    expect(sideBySide.length).toBeGreaterThan(0);
  });
});

async function hasMood(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query(
      `SELECT 1 FROM information_schema.columns WHERE table_schema = 'api' AND table_name = 'tracks' AND column_name = 'mood'`,
    );
    return rowCount === 1;
  } finally {
    await client.end();
  }
}
