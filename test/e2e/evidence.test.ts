import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { ApiClient } from '../../src/api/client.ts';
import { controlSocketPath } from '../../src/api/local-socket.ts';
import type { DeploymentView } from '../../src/api/schemas.ts';
import { replay } from '../../src/core/analysis/replay.ts';
import { Sandbox } from './bad-input-sandbox.ts';
import { succeeds } from './succeeds.ts';
import { SteadyRequests } from './steady-requests.ts';

// What verdicts are computed from outlives the control plane; and when it does not, nothing else suffers.

let sandbox: Sandbox | null = null;
let users: SteadyRequests | null = null;
let client: ApiClient | null = null;

afterEach(async () => {
  await users?.stop();
  await client?.close();
  await sandbox?.[Symbol.asyncDispose]();
  sandbox = null;
  users = null;
  client = null;
});

const canary = {
  kind: 'canary',
  steps: [
    { weight: 20, hold: '8s' },
    { weight: 50, hold: '4s' },
  ],
  watch: '2s',
  keepWarm: '1s',
};

async function platformWithUsers(): Promise<{ readonly platform: Sandbox; readonly api: ApiClient }> {
  const platform = await Sandbox.create({ service: { strategy: canary } });
  sandbox = platform;
  await succeeds(platform.veza(['up']));
  await succeeds(platform.veza(['deploy']));
  users = new SteadyRequests({ url: platform.url, clients: 4 });
  await users.more(1);
  // A release is compared with what stable did before; of that is known what is in seconds that have closed, two seconds late.
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  await platform.program('v2');
  await platform.commit('v2');
  const { stateDir } = platform;
  const api = new ApiClient({ socketPath: controlSocketPath(stateDir), stateDir, by: 'test' });
  client = api;
  return { platform, api };
}

const latest = (api: ApiClient): Promise<DeploymentView> => api.call('deployment', { params: { id: 'latest' } });
const isBehind = async (api: ApiClient, weight: number): Promise<boolean> => {
  const view = await latest(api).catch(() => null);
  return (view?.id === 'dep_2' && (view.legs[0]?.weight ?? 0) >= weight) || (view?.endedAt ?? null) !== null;
};

test('after kill -9 in the middle of a step the record goes on without a hole, and gives the same verdicts again', async () => {
  const { platform, api } = await platformWithUsers();
  const deploying = platform.veza(['deploy']);
  await expect.poll(() => isBehind(api, 20), { timeout: 60_000 }).toBe(true);
  await users?.more(500);
  // When the control plane dies while users are on the candidate
  const pid = await platform.controlPid();
  process.kill(pid ?? 0, 'SIGKILL');
  await users?.more(1_000);
  await succeeds(platform.veza(['up']));
  await deploying;
  await expect.poll(async () => (await latest(api)).phase, { timeout: 60_000 }).toMatch(/retiring|succeeded/);
  // Then every second is there, those in which nobody looked too
  const [record, ...others] = await api.call('evidence', { params: { id: 'dep_2' } });
  expect(others).toEqual([]);
  const seconds = record?.seconds.map(({ traffic }) => traffic.second) ?? [];
  expect(seconds.length).toBeGreaterThan(8);
  expect(seconds).toEqual(Array.from({ length: seconds.length }, (_, index) => (seconds[0] ?? 0) + index));
  expect(record?.seconds.map(({ weight }) => weight)).toContain(20);
  expect(record?.past.length).toBeGreaterThan(0);
  expect(record === undefined ? null : replay(record).worseAt).toBeNull();
  expect(users?.failures).toEqual([]);
});

test('a damaged file is set aside: nothing is lost but what was in it, and people are told', async () => {
  const { platform, api } = await platformWithUsers();
  await succeeds(platform.veza(['down', '--keep-running']));
  await writeFile(join(platform.stateDir, 'evidence.db'), 'this was a database once '.repeat(400));
  await writeFile(join(platform.stateDir, 'evidence.db-wal'), '');
  await succeeds(platform.veza(['up']));
  await succeeds(platform.veza(['deploy']));
  expect(await platform.ask()).toBe('200 v2');
  const { stdout } = await succeeds(platform.veza(['status']));
  expect(stdout).toContain('evidence.db.damaged');
  const [record] = await api.call('evidence', { params: { id: 'dep_2' } });
  expect(record?.seconds.length).toBeGreaterThan(0);
  const gone = await api.call('evidence', { params: { id: 'dep_1' } }).catch((error: unknown) => error);
  expect(gone).toMatchObject({ code: 'evidence-not-kept' });
});
