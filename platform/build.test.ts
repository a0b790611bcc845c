import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const run = promisify(execFile);
const platform = import.meta.dirname;
const folders: string[] = [];

/** A copy of the platform's source, as a deployment's checkout has it. */
async function checkout(name: string, from = platform): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), `veza-build-${name}-`));
  folders.push(parent);
  const folder = join(parent, name);
  await cp(from, folder, {
    recursive: true,
    filter: (path) =>
      !relative(from, path)
        .split(sep)
        .some((part) => part === 'node_modules' || part === 'dist'),
  });
  return folder;
}

/** Digests of every file below a folder, by its path. */
async function digests(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found[relative(folder, path)] = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  }
  return Object.fromEntries(Object.entries(found).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const build = (
  folder: string,
  services: readonly string[],
  environment: Record<string, string> = {},
): Promise<unknown> =>
  run(process.execPath, ['build.mjs', ...services], { cwd: folder, env: { ...process.env, ...environment } });

let one: string;
let other: string;

beforeAll(async () => {
  one = await checkout('one');
  other = await checkout('another-name', one);
  for (const folder of [one, other]) await symlink(join(platform, 'node_modules'), join(folder, 'node_modules'));
  const all = ['identity', 'api', 'chat', 'stream', 'web'];
  await build(one, all);
  // Nor does what the shell has set matter.
  await build(other, all.toReversed(), { NODE_ENV: 'development' });
}, 240_000);
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

describe('a build', () => {
  test('gives the same bytes in another folder, in another order', async () => {
    const [mine, theirs] = await Promise.all([digests(join(one, 'dist')), digests(join(other, 'dist'))]);
    expect(Object.keys(mine)).toEqual(
      expect.arrayContaining(['api/main.js', 'api/package.json', 'web/public/index.html']),
    );
    expect(Object.keys(mine).some((path) => /^api\/migrations\/0001_\w+\.expand\.sql$/.test(path))).toBe(true);
    expect(theirs).toEqual(mine);
  });

  test('has no path of the machine in it', async () => {
    for (const service of ['identity', 'api', 'chat', 'stream', 'web']) {
      const text = await readFile(join(one, 'dist', service, 'main.js'), 'utf8');
      for (const path of [one, platform, tmpdir()]) expect(text.includes(`${path}/`)).toBe(false);
    }
  });

  test('installs its dependencies once into the cache, also when two builds begin at the same time', async () => {
    const cache = await mkdtemp(join(tmpdir(), 'veza-cache-'));
    folders.push(cache);
    const [left, right] = await Promise.all([checkout('left', one), checkout('right', one)]);
    await Promise.all([left, right].map((folder) => build(folder, ['stream'], { XDG_CACHE_HOME: cache })));
    const kept = await readdir(join(cache, 'veza-platform'));
    expect(kept).toHaveLength(1);
    const [fromLeft, fromRight] = await Promise.all([digests(join(left, 'dist')), digests(join(right, 'dist'))]);
    expect(fromLeft).toEqual(fromRight);
    // and as with ./node_modules
    expect((await digests(join(one, 'dist', 'stream')))['main.js']).toBe(fromLeft[join('stream', 'main.js')]);
  }, 240_000);
});

const environment = {
  PATH: process.env['PATH'] ?? '',
  PORT: '0',
  STORAGE_URL: 'file:///tmp/veza-build-test-storage',
  MEDIA_KEY: 'm'.repeat(40),
};

interface Started {
  readonly afterMs: number;
  readonly port: number;
  stop(): Promise<number | null>;
}

/** Starts a program and waits for its first line that says that it listens. */
async function start(file: string): Promise<Started> {
  const began = performance.now();
  const child = spawn(process.execPath, [file], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    output += chunk.toString('utf8');
    if (output.includes('"listening"')) break;
  }
  const afterMs = performance.now() - began;
  return {
    afterMs,
    port: Number(/"port":(\d+)/.exec(output)?.[1]),
    async stop() {
      child.stdout.resume();
      const ended = once(child, 'close') as Promise<[number | null]>;
      child.kill('SIGTERM');
      return (await ended)[0];
    },
  };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

describe('a bundle', () => {
  test('starts, is healthy, and ends with status 0 when it is asked to', async () => {
    const service = await start(join(one, 'dist/stream/main.js'));
    const check = (port: number): Promise<unknown> =>
      run(process.execPath, [join(one, 'dist/stream/main.js'), 'healthcheck', 'livez'], {
        env: { ...environment, PORT: String(port) },
      });
    await check(service.port);
    expect(await service.stop()).toBe(0);
    await expect(check(service.port)).rejects.toMatchObject({ code: 1 });
  });

  test('ends with status 78 and every mistake, and no value, in an environment that is wrong', async () => {
    const wrong = { PATH: environment.PATH, PORT: 'hunter2', STORAGE_URL: 'hunter2' };
    const failed = (await run(process.execPath, [join(one, 'dist/stream/main.js')], { env: wrong }).catch(
      (error: unknown) => error,
    )) as { code: number; stderr: string };
    expect(failed.code).toBe(78);
    for (const name of ['PORT', 'STORAGE_URL', 'MEDIA_KEY']) expect(failed.stderr).toContain(name);
    expect(failed.stderr).not.toContain('hunter2');
  });

  test('prints its OpenAPI document', async () => {
    const { stdout } = await run(process.execPath, [join(one, 'dist/stream/main.js'), 'openapi'], { env: environment });
    expect(
      Object.keys((JSON.parse(stdout) as { paths: object }).paths).some((path) => path.startsWith('/media/v1/')),
    ).toBe(true);
  });

  test('starts in not much more time than Node itself', async () => {
    const bare = join(one, 'bare.mjs');
    await writeFile(bare, `console.log('"listening"'); setTimeout(() => undefined, 60_000);\n`);
    const times = { bare: [] as number[], stream: [] as number[] };
    // In turns, so that what else the machine does weighs on both.
    for (let round = 0; round < 5; round += 1) {
      for (const [name, file] of [
        ['bare', bare],
        ['stream', join(one, 'dist/stream/main.js')],
      ] as const) {
        const started = await start(file);
        times[name].push(started.afterMs);
        await started.stop();
      }
    }
    const [node, service] = [median(times.bare), median(times.stream)];
    console.info(
      `start: Node alone ${node.toFixed(0)} ms, the stream service ${service.toFixed(0)} ms, ${(service / node).toFixed(1)} times`,
    );
    expect(service / node).toBeLessThan(20);
  }, 120_000);
});
