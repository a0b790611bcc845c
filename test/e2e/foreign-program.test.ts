import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi, type TestContext } from 'vitest';
import { ApiClient } from '../../src/api/client.ts';
import { controlSocketPath } from '../../src/api/local-socket.ts';
import type { DeploymentView } from '../../src/api/schemas.ts';
import { startDetached } from '../../src/cli/control-process.ts';
import { followDeployment } from '../../src/cli/follow.ts';
import { freePort } from '../../src/system/free-port.ts';
import { RegistryLoad, type RegistryReport } from './foreign-program-load.ts';

// A program that nobody here wrote: Verdaccio, as it is declared in examples/verdaccio, deployed, updated to another
// version and rolled back under load. See docs/foreign-programs.md.

const run = promisify(execFile);
const example = join(import.meta.dirname, '../../examples/verdaccio');
const patienceMs = 180_000;
const rate = 50;
// The declared steps in seconds instead of minutes; a busy machine must not look like a bad release.
const quick = `{ kind: 'canary', steps: [10, 50], hold: '1s', holdback: 0, watch: '1s', keepWarm: '3s',
        limits: { minSuccess: '99%', maxP99: '8s', minRequests: 20 } }`;

let dir: string;
let client: ApiClient;
let address: { host: string; port: number };
/** Set when npm could not reach its registry. */
let unreachable: string | null = null;
let first: string;
let second: string;

async function commit(message: string): Promise<void> {
  const git = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false'];
  await run('git', [...git, 'add', '--all'], { cwd: dir });
  await run('git', [...git, 'commit', '--quiet', '--message', message], { cwd: dir });
}

/** Builds what is committed; null when npm could not reach its registry. */
async function build(): Promise<string> {
  const output: string[] = [];
  try {
    const built = await client.stream('build', { body: {} }, { onItem: ({ text }) => void output.push(text) });
    return built.releases[0]?.id ?? '';
  } catch (error) {
    const said = output.join('\n');
    if (/npm error (code|errno) (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH)/.test(said)) {
      unreachable = said.slice(-300);
      return '';
    }
    throw new Error(said.slice(-2_000), { cause: error });
  }
}

async function ended(id: string): Promise<DeploymentView> {
  return followDeployment(client, id, {
    signal: AbortSignal.timeout(patienceMs),
    now: Date.now,
    patienceMs: 60_000,
    until: () => false,
    onView: () => {},
    onAway: () => {},
  });
}

async function deployed(release: string): Promise<DeploymentView> {
  const { deployments } = await client.call('deploy', { body: { releases: [release] } });
  return ended(deployments[0]?.id ?? '');
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'veza-foreign-'));
  await cp(example, dir, { recursive: true, filter: (path) => !/node_modules|\.veza/.test(path) });
  const port = await freePort('127.0.0.1', 24_873);
  address = { host: '127.0.0.1', port };
  const file = join(dir, 'veza.config.ts');
  const config = await readFile(file, 'utf8');
  const changed = config
    .replace(/\{ kind: 'canary'.*\}/, quick)
    .replace("listen: '127.0.0.1:4873'", `listen: '127.0.0.1:${port}', ports: '25000-25099'`);
  expect(changed).toContain(`127.0.0.1:${port}`);
  expect(changed).toContain("keepWarm: '3s'");
  await writeFile(file, changed);
  const newest = await readFile(join(dir, 'registry/package.json'), 'utf8');
  const newestLock = await readFile(join(dir, 'registry/package-lock.json'), 'utf8');
  await cp(join(import.meta.dirname, 'foreign-program'), join(dir, 'registry'), { recursive: true, force: true });
  await run('git', ['init', '--quiet', '--initial-branch=main'], { cwd: dir });
  await writeFile(join(dir, '.gitignore'), '.veza/\nnode_modules/\n');
  await commit('Verdaccio 5');
  const stateDir = join(dir, '.veza');
  await startDetached({ dir, stateDir }, { signal: AbortSignal.timeout(patienceMs), onProgress: () => {} });
  client = new ApiClient({ socketPath: controlSocketPath(stateDir), stateDir, by: 'test' });
  first = await build();
  if (unreachable !== null) return;
  await writeFile(join(dir, 'registry/package.json'), newest);
  await writeFile(join(dir, 'registry/package-lock.json'), newestLock);
  await commit('Verdaccio 6');
  second = await build();
}, 300_000);

afterAll(async () => {
  const { pid } = await client.call('info', {});
  await client.stream('down', { body: {} }, { onItem: () => {} });
  await client.close();
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), 10_000);
  // Artifacts are unpacked read-only; their folders must be writable to be emptied.
  await run('chmod', ['-R', 'u+w', dir]);
  await rm(dir, { recursive: true, force: true });
}, 60_000);

function needsRegistry(context: TestContext): void {
  context.skip(unreachable !== null, `npm cannot reach its registry: ${unreachable ?? ''}`);
}

describe('Verdaccio, unchanged', () => {
  test('deployed, updated from 5 to 6 and rolled back under load: nothing lost, nothing wrong, all that was published there', async (context) => {
    needsRegistry(context);
    const before = await deployed(first);
    expect(before).toMatchObject({ phase: 'succeeded' });

    const load = new RegistryLoad(address, rate);
    const rows: string[] = [];
    const note = (what: string, view: DeploymentView, since: number): void => {
      rows.push(
        `${what}: ${view.phase} after ${((performance.now() - since) / 1_000).toFixed(1)} s, ${load.requests} requests so far, ${load.lost} lost`,
      );
    };
    let report: RegistryReport;
    try {
      let since = performance.now();
      const { deployments } = await client.call('deploy', { body: { releases: [second] } });
      const id = deployments[0]?.id ?? '';
      const signal = AbortSignal.timeout(patienceMs);
      const watching = { signal, now: Date.now, patienceMs, onView: () => {}, onAway: () => {} };
      const update = await followDeployment(client, id, { ...watching, until: (view) => view.committedAt !== null });
      note('5 to 6, committed', update, since);

      since = performance.now();
      const rollback = await client.call('rollback', { body: {} });
      const back = await ended(rollback.deployments[0]?.id ?? '');
      note('back to 5 while its slot is warm', back, since);
      expect((await ended(id)).phase).toBe('succeeded');

      since = performance.now();
      const again = await deployed(second);
      note('5 to 6 again, old slot stopped', again, since);
      expect([back.phase, again.phase]).toEqual(['succeeded', 'succeeded']);
    } finally {
      report = await load.stop();
    }
    console.log(
      [...rows, JSON.stringify({ ...report, lost: report.lost.length, wrong: report.wrong.length })].join('\n'),
    );

    expect(report).toMatchObject({ lost: [], wrong: [], failedByRelease: [] });
    // Both releases answered, and nobody else.
    expect(Object.keys(report.byRelease).toSorted()).toEqual([first, second].toSorted());
    expect(report.published).toBeGreaterThan(20);
  });

  test('what was published is in the folder of the environment, in no release', async (context) => {
    needsRegistry(context);
    const data = join(dir, '.veza/environments/development/data/registry');
    expect((await readdir(data)).filter((entry) => entry.startsWith('package-')).length).toBeGreaterThan(0);
  });
});
