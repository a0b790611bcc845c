import { writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { ApiClient } from '../../src/api/client.ts';
import { controlSocketPath } from '../../src/api/local-socket.ts';
import type { DeploymentView } from '../../src/api/schemas.ts';
import { Sandbox } from './bad-input-sandbox.ts';
import { SteadyRequests } from './steady-requests.ts';

// Copies before users, through the whole product: declared, put in force by the gateway, judged, taken back or gone on from.

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

const strategy = (mirror: string): unknown => ({
  kind: 'canary',
  steps: [{ mirror }, { weight: 50, hold: '2s' }],
  watch: '1s',
  keepWarm: '1s',
  analysis: { level: 'fast', bake: '1s' },
});

/** Well by its checks; users would get this status. */
const program = (status: number, text: string): string => `import { createServer } from 'node:http';
const server = createServer((request, response) => {
  response.statusCode = request.url === '/health' ? 200 : ${status};
  response.end(${JSON.stringify(text)});
});
server.listen(Number(process.env.PORT), process.env.HOST);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

interface Started {
  readonly platform: Sandbox;
  readonly api: ApiClient;
  readonly asked: SteadyRequests;
}

async function platformWithUsers(mirror: string): Promise<Started> {
  const platform = await Sandbox.create({ service: { strategy: strategy(mirror) } });
  sandbox = platform;
  for (const args of [['up'], ['deploy']]) {
    const outcome = await platform.veza(args);
    expect(outcome, outcome.stderr).toMatchObject({ status: 0 });
  }
  const asked = new SteadyRequests({ url: platform.url, clients: 4 });
  users = asked;
  const { stateDir } = platform;
  const api = new ApiClient({ socketPath: controlSocketPath(stateDir), stateDir, by: 'test' });
  client = api;
  return { platform, api, asked };
}

async function release(platform: Sandbox, status: number, text: string): Promise<void> {
  await writeFile(join(platform.dir, 'hello/server.mjs'), program(status, text));
  await platform.commit(text);
}

const latest = (api: ApiClient): Promise<DeploymentView> => api.call('deployment', { params: { id: 'latest' } });

/** What somebody gets who asks for the candidate. */
const askForCandidate = (url: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const agent = new Agent();
    const asked = request(url, { agent, headers: { canary: 'true' } }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
    });
    asked.on('error', reject);
    asked.end();
  });

test('a release that fails every request is taken back before one user has seen it', async () => {
  const { platform, api, asked } = await platformWithUsers('60s');
  await asked.more(500);
  await release(platform, 500, 'broken');
  const deploying = platform.veza(['deploy']);
  // While it gets copies, even who asks for it gets stable.
  await expect
    .poll(async () => (await latest(api)).phase, { timeout: 60_000, interval: 50 })
    .toMatch(/mirroring|revert/);
  expect(await askForCandidate(platform.url)).toBe('v1');
  const outcome = await deploying;
  expect(outcome, outcome.stdout).toMatchObject({ status: 5 });
  const view = await latest(api);
  expect(view).toMatchObject({ id: 'dep_2', phase: 'reverted', reason: { code: 'worse' } });
  await asked.stop();
  expect(asked.failures).toEqual([]);
  expect(asked.statuses()).toEqual({ 200: asked.answers.length });
  expect(new Set(asked.answers.map(({ text }) => text))).toEqual(new Set(['v1']));
});

test('a good one goes on to users when its time is over', async () => {
  const { platform, api, asked } = await platformWithUsers('3s');
  await release(platform, 200, 'v2');
  const seen = new Set<string>();
  const deploying = platform.veza(['deploy']);
  await expect
    .poll(
      async () => {
        const view = await latest(api);
        if (view.id === 'dep_2') seen.add(view.phase);
        return view.id === 'dep_2' && (view.legs[0]?.weight ?? 0) > 0;
      },
      { timeout: 60_000, interval: 50 },
    )
    .toBe(true);
  expect([...seen]).toEqual(expect.arrayContaining(['mirroring', 'stepping']));
  const outcome = await deploying;
  expect(outcome, outcome.stderr).toMatchObject({ status: 0 });
  await asked.stop();
  expect(asked.failures).toEqual([]);
  expect(asked.statuses()).toEqual({ 200: asked.answers.length });
  expect(new Set(asked.answers.map(({ text }) => text))).toEqual(new Set(['v1', 'v2']));
});
