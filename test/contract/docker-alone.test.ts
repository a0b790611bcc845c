import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ReleaseId } from '../../src/core/release/release.ts';
import type { Probe } from '../../src/core/spec/platform.ts';
import type { DurationMs } from '../../src/core/units/quantities.ts';
import { createDockerRuntime } from '../../src/drivers/runtime/docker/docker-runtime.ts';
import type { ImageSupply } from '../../src/drivers/runtime/docker/image-supply.ts';
import type { InstanceStatus, Runtime, SlotDesire } from '../../src/drivers/runtime/runtime.ts';
import { DockerNetworkError, DockerUnreachableError, ImageRefusedError } from '../../src/errors.ts';
import { DockerRig, rigImages } from './docker-rig.ts';

// What only containers have to show, beside the contract of all runtimes.

const run = promisify(execFile);
const never = new AbortController().signal;
const fixtures = fileURLToPath(new URL('./fixtures/instances', import.meta.url));
const NETWORK = 'veza-alone-staging';
const SECRET = 'correct-horse-battery';
const ms = (value: number): DurationMs => value as DurationMs;
const probe: Probe = {
  check: { kind: 'http', path: '/health' },
  intervalMs: ms(200),
  timeoutMs: ms(500),
  failures: 50,
};

let layoutDir: string;
let artifactDir: string;
let images: ImageSupply;

beforeAll(async () => {
  layoutDir = mkdtempSync(join(tmpdir(), 'veza-alone-images-'));
  artifactDir = join(layoutDir, 'artifact');
  mkdirSync(artifactDir);
  cpSync(join(fixtures, 'server.js'), join(artifactDir, 'server.js'));
  images = await rigImages(layoutDir);
}, 120_000);
afterAll(() => rmSync(layoutDir, { recursive: true, force: true }));

/** An Engine of its own, with or without containers that outlive it, and a runtime on it. */
function environment({ liveRestore }: { readonly liveRestore: boolean }) {
  const parts = {
    rig: undefined as unknown as DockerRig,
    runtime: undefined as unknown as Runtime,
    stateDir: '',
    open: (changes: { readonly subnet?: string; readonly images?: ImageSupply } = {}): Promise<Runtime> =>
      createDockerRuntime({
        stateDir: parts.stateDir,
        platform: 'alone',
        environment: 'staging',
        host: { kind: 'socket', path: parts.rig.socket },
        network: { kind: 'bridge', subnet: '10.213.249.0/24' },
        ports: { from: 24_400, to: 24_499 },
        images,
        ...changes,
      }),
    docker: async (...args: readonly string[]): Promise<string> =>
      (await run('/usr/bin/docker', ['--host', `unix://${parts.rig.socket}`, ...args])).stdout.trim(),
    /** The instances as soon as so many are ready. */
    async ready(count: number): Promise<readonly InstanceStatus[]> {
      for (const deadline = performance.now() + 40_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
        const instances = (await parts.runtime.observe(never)).flatMap((slot) => slot.instances);
        if (instances.length === count && instances.every(({ state }) => state === 'ready')) return instances;
        if (performance.now() > deadline) throw new Error(`not ${count} ready: ${JSON.stringify(instances)}`);
      }
    },
    ask: async ({ address }: InstanceStatus, path: string): Promise<string> =>
      (await fetch(`http://${address.host}:${address.port}${path}`, { signal: AbortSignal.timeout(5_000) })).text(),
  };
  beforeAll(async () => {
    parts.rig = await DockerRig.start({ liveRestore });
    parts.rig.networks.push(NETWORK);
  }, 120_000);
  afterAll(() => parts.rig.end(), 60_000);
  beforeEach(async () => {
    parts.stateDir = mkdtempSync(join(tmpdir(), 'veza-alone-'));
    parts.runtime = await parts.open();
  });
  afterEach(async () => {
    await parts.runtime.close();
    await parts.rig.clear();
    rmSync(parts.stateDir, { recursive: true, force: true });
  });
  return parts;
}

const desire = (changes: Partial<SlotDesire> = {}): SlotDesire => ({
  ref: { environment: 'staging', service: 'api', slot: 'blue' },
  release: 'rel_00000000000000000001' as ReleaseId,
  artifactDir,
  run: ['node', 'server.js'],
  instances: 2,
  environment: { DATABASE_PASSWORD: SECRET, GREETING: 'hello' },
  secrets: ['DATABASE_PASSWORD'],
  health: { startup: probe, readiness: probe, liveness: null, stableForMs: ms(0) },
  restart: { backoffMs: ms(100), maxBackoffMs: ms(1000), crashLoopAfter: 5, windowMs: ms(30_000) },
  stopGraceMs: 3000,
  limits: { memory: null, cpus: null },
  ...changes,
});

describe('containers whose Engine takes them along when it ends', () => {
  const at = environment({ liveRestore: false });

  it('have no rights, no place to write, and no secret that the Engine could tell', async () => {
    await at.runtime.apply(desire(), never);
    for (const instance of await at.ready(2))
      expect(JSON.parse(await at.ask(instance, '/env'))).toMatchObject({ DATABASE_PASSWORD: SECRET });
    const ids = (await at.docker('ps', '--quiet')).split('\n');
    expect(ids).toHaveLength(2);
    for (const id of ids) {
      const text = await at.docker('inspect', id);
      expect(text).not.toContain(SECRET);
      const [inspected] = JSON.parse(text) as { Config: { User: string }; HostConfig: Record<string, unknown> }[];
      expect(inspected?.Config.User).toBe('10001:10001');
      expect(inspected?.HostConfig).toMatchObject({
        ReadonlyRootfs: true,
        Privileged: false,
        CapDrop: ['ALL'],
        CapAdd: null,
        SecurityOpt: ['no-new-privileges'],
        PidsLimit: 4_096,
        LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
      });
    }
    const tryOut = `
      const { readFileSync, writeFileSync } = require('node:fs');
      const tries = ['/app/x', '/x', '/tmp/x'].map((path) => { try { writeFileSync(path, ''); return 'written'; } catch (error) { return error.code; } });
      const status = readFileSync('/proc/self/status', 'utf8');
      console.log(JSON.stringify({ tries, uid: process.getuid(), capabilities: /CapEff:\\s+(\\w+)/.exec(status)[1], secret: readFileSync('/run/secrets/DATABASE_PASSWORD', 'utf8') }));`;
    let said = '';
    const { secrets, environment: variables } = desire();
    const status = await at.runtime.run(
      {
        id: 'run-try-1',
        artifactDir,
        command: ['node', '-e', tryOut],
        environment: variables,
        ...(secrets === undefined ? {} : { secrets }),
        onOutput: (_, chunk) => (said += Buffer.from(chunk).toString('utf8')),
      },
      never,
    );
    expect({ status, ...(JSON.parse(said) as object) }).toEqual({
      status: 0,
      tries: ['EROFS', 'EROFS', 'written'],
      uid: 10_001,
      capabilities: '0000000000000000',
      secret: SECRET,
    });
  });

  it('are found by their labels when everything else is lost, and go on', async () => {
    await at.runtime.apply(desire(), never);
    const before = await at.ready(2);
    await at.runtime.close();
    rmSync(at.stateDir, { recursive: true });
    at.runtime = await at.open();
    const after = await at.ready(2);
    expect(after.map(({ id, address }) => ({ id, address })).toSorted(byId)).toEqual(
      before.map(({ id, address }) => ({ id, address })).toSorted(byId),
    );
    const [slot] = await at.runtime.observe(never);
    expect(slot).toMatchObject({ release: 'rel_00000000000000000001', wanted: 2 });
    await at.runtime.remove(desire().ref, never);
    expect(await at.docker('ps', '--quiet', '--all')).toBe('');
  });

  it('leave the containers and networks of others alone', async () => {
    const image = (await images.imageOf(artifactDir, never)).id;
    await at.runtime.reserve(desire(), 1, never);
    await at.docker('network', 'create', '--subnet', '10.213.248.0/24', 'strangers');
    const foreign = await at.docker(
      'run',
      '--detach',
      '--network',
      'strangers',
      image,
      'node',
      '-e',
      'setInterval(() => {}, 1e3)',
    );
    try {
      await at.runtime.apply(desire(), never);
      await at.ready(2);
      await at.runtime.remove(desire().ref, never);
      await at.runtime.dismantle(never);
      await at.runtime.dismantle(never);
      expect(await at.docker('ps', '--quiet', '--no-trunc')).toBe(foreign);
      expect(await at.docker('network', 'ls', '--format', '{{.Name}}')).not.toContain(NETWORK);
    } finally {
      await at.docker('rm', '--force', foreign);
      await at.docker('network', 'rm', 'strangers');
    }
  });

  it('are started again, at their addresses, when the Engine comes back', async () => {
    await at.runtime.apply(desire(), never);
    const before = await at.ready(2);
    await at.rig.down();
    await at.rig.up();
    const after = await at.ready(2);
    expect(after.map(({ address }) => address)).toEqual(before.map(({ address }) => address));
    for (const instance of after) expect(await at.ask(instance, '/')).toContain(instance.id);
  });

  it('are not begun by a control plane that cannot reach the Engine, which says so', async () => {
    await at.runtime.close();
    await at.rig.down();
    try {
      await expect(at.open()).rejects.toThrow(DockerUnreachableError);
    } finally {
      await at.rig.up();
      at.runtime = await at.open();
    }
  });

  it('are refused room when their image is refused', async () => {
    const strict = { ...images, check: () => Promise.reject(new ImageRefusedError('api', ['root-user: no user'])) };
    await at.runtime.close();
    at.runtime = await at.open({ images: strict });
    await expect(at.runtime.reserve(desire(), 1, never)).rejects.toThrow(
      'The image of api is refused: root-user: no user.',
    );
    expect(await at.docker('ps', '--quiet', '--all')).toBe('');
  });

  it('have a network of their own, or an error that says who has its addresses', async () => {
    await at.runtime.dismantle(never);
    await at.runtime.close();
    await run('ip', ['link', 'add', 'vz-left', 'type', 'bridge']);
    try {
      await run('ip', ['address', 'add', '10.213.249.1/24', 'dev', 'vz-left']);
      await run('ip', ['link', 'set', 'vz-left', 'up']);
      const refused = await at.open().catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(DockerNetworkError);
      expect(String(refused)).toContain('the interface vz-left has addresses of 10.213.249.0/24 too');
    } finally {
      await run('ip', ['link', 'delete', 'vz-left']);
      at.runtime = await at.open();
    }
  });
});

describe('containers that outlive their Engine', () => {
  const at = environment({ liveRestore: true });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'answer through its restart after %s, and are the same afterwards',
    async (signal) => {
      await at.runtime.apply(desire(), never);
      const before = await at.ready(2);
      let [asking, asked, failed] = [true, 0, 0];
      const askedMore = async (count: number): Promise<void> => {
        for (const goal = asked + count; asked < goal;) await new Promise((resolve) => setTimeout(resolve, 10));
      };
      const traffic = (async () => {
        while (asking) {
          await Promise.all(before.map((instance) => at.ask(instance, '/'))).catch(() => (failed += 1));
          asked += 1;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })();
      await at.rig.down(signal);
      await askedMore(20);
      await at.rig.up();
      const after = await at.ready(2);
      asking = false;
      await traffic;
      expect(failed).toBe(0);
      expect(after.map(({ id, pid, restarts }) => ({ id, pid, restarts }))).toEqual(
        before.map(({ id, pid, restarts }) => ({ id, pid, restarts })),
      );
      await at.runtime.apply(desire({ instances: 3 }), never);
      await at.ready(3);
    },
  );
});

const byId = (one: { readonly id: string }, other: { readonly id: string }): number => (one.id < other.id ? -1 : 1);
