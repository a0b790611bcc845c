import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ReleaseId } from '../../src/core/release/release.ts';
import type { Probe } from '../../src/core/spec/platform.ts';
import type { Bytes, DurationMs } from '../../src/core/units/quantities.ts';
import { createProcessRuntime } from '../../src/drivers/runtime/process/process-runtime.ts';
import { systemProcessTable, type ProcessIdentity } from '../../src/drivers/runtime/process/process-table.ts';
import type { InstanceStatus, Runtime, SlotDesire } from '../../src/drivers/runtime/runtime.ts';
import { CapacityError } from '../../src/errors.ts';
import { poll, runtimeContract, type RuntimeUnderTest } from './runtime.contract.ts';

const fixtures = fileURLToPath(new URL('./fixtures/instances', import.meta.url));
const table = systemProcessTable();
const never = new AbortController().signal;

/** Ports below the range that the system gives to outgoing connections. */
const range = { from: 24_100, to: 24_160 };

const isGone = (pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' && fields[17] === '1';
  } catch {
    return true;
  }
};

/** Kills everything that belongs to a state folder, whatever the test left, then the folder. */
async function dispose(stateDir: string): Promise<void> {
  const runtime = await createProcessRuntime({ stateDir, ports: range, cgroups: 'none' });
  for (const slot of await runtime.observe(never)) await runtime.remove(slot.ref, never);
  await runtime.close();
  // By their command line: one that is only just starting has not said yet who it is.
  for (const pid of collectorsOf(stateDir)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself meanwhile: another one holds the lock, or there was nothing left to collect.
    }
    await poll(() => isGone(pid), 'the collector is gone');
  }
  rmSync(stateDir, { recursive: true, force: true });
}

const collectorsOf = (folder: string): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => {
      try {
        const args = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
        return args.includes(folder) && args.some((arg) => arg.includes('log-collector'));
      } catch {
        return false;
      }
    })
    .map(Number);

const readIdentity = (stateDir: string): ProcessIdentity | null => {
  const file = join(stateDir, 'log-collector.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity) : null;
};

function prepare(cgroups: 'detect' | 'none'): () => Promise<RuntimeUnderTest> {
  return async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'veza-runtime-'));
    return {
      open: () => createProcessRuntime({ stateDir, ports: range, cgroups }),
      ownAndDie: (desire) => ownAndDie(stateDir, desire),
      artifactDir: fixtures,
      run: ['node', 'server.js'],
      script: (source) => ['node', '-e', source],
      addedEnvironment: ['PATH', 'HOME', 'TMPDIR'],
      isGone,
      onHost: (pid) => pid,
      dispose: () => dispose(stateDir),
    };
  };
}

/** Kills the owner `delayMs` after it said this word. */
async function ownAndDie(stateDir: string, desire: SlotDesire, word = 'ready', delayMs = 0): Promise<void> {
  const args = [join(fixtures, 'owner.ts'), stateDir, String(range.from), String(range.to), JSON.stringify(desire)];
  const owner = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => owner.once('exit', resolve));
  await new Promise<void>((resolve, reject) => {
    owner.stdout.on('data', (chunk: Buffer) => {
      if (chunk.toString('utf8').includes(word)) resolve();
    });
    void ended.then(() => reject(new Error('the owner ended by itself')));
  });
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  owner.kill('SIGKILL');
  await ended;
}

runtimeContract('process', prepare('detect'));

describe('runtime process on this machine', () => {
  let stateDir: string;
  let runtime: Runtime;
  const servers: Server[] = [];
  const ref = { environment: 'staging', service: 'api', slot: 'blue' } as const;
  const probe: Probe = {
    check: { kind: 'http', path: '/health' },
    intervalMs: 1000 as DurationMs,
    timeoutMs: 500 as DurationMs,
    failures: 10,
  };

  beforeEach(async () => {
    stateDir = mkdtempSync(join(tmpdir(), 'veza-runtime-'));
    runtime = await createProcessRuntime({ stateDir, ports: range });
  });
  afterEach(async () => {
    await runtime.close();
    await dispose(stateDir);
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  });

  const desire = (changes: Partial<SlotDesire> = {}): SlotDesire => ({
    ref,
    release: 'rel_00000000000000000001' as ReleaseId,
    artifactDir: fixtures,
    run: ['node', 'server.js'],
    instances: 1,
    environment: {},
    health: { startup: probe, readiness: probe, liveness: null, stableForMs: 0 as DurationMs },
    restart: {
      backoffMs: 50 as DurationMs,
      maxBackoffMs: 1000 as DurationMs,
      crashLoopAfter: 5,
      windowMs: 30_000 as DurationMs,
    },
    stopGraceMs: 2000,
    limits: { memory: null, cpus: null },
    ...changes,
  });

  const instances = async (): Promise<readonly InstanceStatus[]> => (await runtime.observe(never))[0]?.instances ?? [];
  const untilReady = async (count: number): Promise<readonly InstanceStatus[]> => {
    await poll(
      async () => (await instances()).filter((one) => one.state === 'ready').length === count,
      `${count} ready`,
    );
    return instances();
  };
  const listen = (port: number, host: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const server = createServer().once('error', reject);
      servers.push(server);
      server.listen(port, host, resolve);
    });
  const recordFile = (id: string): string => join(stateDir, 'instances', id, 'instance.json');
  const readRecord = (id: string): Record<string, unknown> =>
    JSON.parse(readFileSync(recordFile(id), 'utf8')) as Record<string, unknown>;

  test('a port that somebody listens on is skipped', async () => {
    await runtime.close();
    await listen(24_170, '0.0.0.0');
    await listen(24_171, '127.0.0.1');
    runtime = await createProcessRuntime({ stateDir, ports: { from: 24_170, to: 24_172 } });
    await runtime.apply(desire(), never);
    expect((await untilReady(1)).map((one) => one.address.port)).toEqual([24_172]);
  });

  test('too few free ports are named, by reserve and by apply, and nothing is started', async () => {
    await runtime.close();
    await listen(24_170, '127.0.0.1');
    runtime = await createProcessRuntime({ stateDir, ports: { from: 24_170, to: 24_171 } });
    const failure = runtime.reserve(desire(), 2, never);
    await expect(failure).rejects.toBeInstanceOf(CapacityError);
    await expect(failure).rejects.toThrow('No room for 2 instances of api: 1 of the ports 24170-24171 is free.');
    await expect(runtime.apply(desire({ instances: 2 }), never)).rejects.toBeInstanceOf(CapacityError);
    expect(await runtime.observe(never)).toEqual([]);
    await runtime.apply(desire(), never);
    await untilReady(1);
  });

  test('an instance with metrics needs two ports, and gives both back', async () => {
    await runtime.close();
    runtime = await createProcessRuntime({ stateDir, ports: { from: 24_170, to: 24_172 } });
    const metrics = { metrics: true };
    await expect(runtime.reserve(desire(metrics), 2, never)).rejects.toThrow(
      'No room for 2 instances of api: 3 of the ports 24170-24172 are free, and each needs two (one for its metrics).',
    );
    // Three times one instance with two of three ports: without the second one given back, the second round had none.
    for (let round = 0; round < 3; round += 1) {
      await runtime.apply(desire(metrics), never);
      await untilReady(1);
      await runtime.remove(desire().ref, never);
    }
    // And over an adoption: both ports are known to be taken.
    await runtime.apply(desire(metrics), never);
    await untilReady(1);
    await runtime.close();
    runtime = await createProcessRuntime({ stateDir, ports: { from: 24_170, to: 24_172 } });
    await expect(runtime.reserve(desire(metrics), 1, never)).rejects.toThrow('1 of the ports 24170-24172 is free');
  });

  test('an instance whose metrics port was taken while it was down gets another one for it', async () => {
    await runtime.apply(desire({ metrics: true }), never);
    const [before] = await untilReady(1);
    if (before?.pid == null || before.metrics === undefined) throw new Error('not running with metrics');
    await runtime.close();
    process.kill(before.pid, 'SIGKILL');
    await poll(() => isGone(before.pid ?? 0), 'gone');
    await listen(before.metrics.port, '127.0.0.1');
    runtime = await createProcessRuntime({ stateDir, ports: range });
    const [after] = await untilReady(1);
    expect(after?.id).toBe(before.id);
    expect(after?.address.port).toBe(before.address.port);
    expect(after?.metrics?.port).not.toBe(before.metrics.port);
  });

  test('an instance whose port was taken while it was down gets another', async () => {
    await runtime.apply(desire(), never);
    const [before] = await untilReady(1);
    if (before?.pid == null) throw new Error('not running');
    await runtime.close();
    process.kill(before.pid, 'SIGKILL');
    await poll(() => isGone(before.pid ?? 0), 'gone');
    await listen(before.address.port, '127.0.0.1');
    runtime = await createProcessRuntime({ stateDir, ports: range });
    const [after] = await untilReady(1);
    expect(after?.id).toBe(before.id);
    expect(after?.address.port).not.toBe(before.address.port);
  });

  test('a reused pid is not adopted: neither counted as the instance nor killed', async () => {
    await runtime.apply(desire(), never);
    const [before] = await untilReady(1);
    if (before?.pid == null) throw new Error('not running');
    await runtime.close();
    process.kill(before.pid, 'SIGKILL');
    await poll(() => isGone(before.pid ?? 0), 'gone');
    const stranger = spawn('sleep', ['60'], { stdio: 'ignore', detached: true });
    try {
      const pid = stranger.pid ?? 0;
      const record = readRecord(before.id);
      const phase = record.phase as { process: ProcessIdentity };
      writeFileSync(
        recordFile(before.id),
        JSON.stringify({ ...record, phase: { ...phase, process: { ...phase.process, pid } } }),
      );
      runtime = await createProcessRuntime({ stateDir, ports: range });
      const [after] = await untilReady(1);
      expect(after?.pid).not.toBe(pid);
      expect(after?.restarts).toBe(1);
      await runtime.remove(ref, never);
      expect(isGone(pid)).toBe(false);
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  test('a process started just before a crash that kept its record from disk is found by its marker', async () => {
    await runtime.apply(desire(), never);
    const [before] = await untilReady(1);
    if (before?.pid == null) throw new Error('not running');
    await runtime.close();
    const record = readRecord(before.id);
    writeFileSync(recordFile(before.id), JSON.stringify({ ...record, phase: { kind: 'launching', at: Date.now() } }));
    runtime = await createProcessRuntime({ stateDir, ports: range });
    const [after] = await untilReady(1);
    expect(after).toMatchObject({ id: before.id, pid: before.pid, restarts: 0 });
  });

  test('whenever its owner is killed during a start, the next runtime knows every process there is', async () => {
    await runtime.close();
    for (let delayMs = 0; delayMs <= 40; delayMs += 8) {
      await ownAndDie(stateDir, desire({ instances: 3 }), 'open', delayMs);
      runtime = await createProcessRuntime({ stateDir, ports: range });
      await runtime.apply(desire({ instances: 3 }), never);
      const known = (await untilReady(3)).map((one) => one.pid);
      const running = (await table.marked(null)).filter(({ identity }) => belongsTo(identity.pid, stateDir));
      expect(new Set(running.map((one) => one.identity.pid))).toEqual(new Set(known));
      expect(running.length).toBe(3);
      await runtime.remove(ref, never);
      expect((await table.marked(null)).filter(({ identity }) => belongsTo(identity.pid, stateDir))).toEqual([]);
      await runtime.close();
    }
    runtime = await createProcessRuntime({ stateDir, ports: range });
  });

  /** Instances have their home in the state folder. */
  const belongsTo = (pid: number, folder: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`HOME=${folder}/`);
    } catch {
      return false;
    }
  };

  test('an instance whose record is damaged is ended and replaced', async () => {
    await runtime.apply(desire(), never);
    const [before] = await untilReady(1);
    if (before?.pid == null) throw new Error('not running');
    await runtime.close();
    writeFileSync(recordFile(before.id), '{"version":1,"id":');
    runtime = await createProcessRuntime({ stateDir, ports: range });
    expect(isGone(before.pid)).toBe(true);
    expect((await untilReady(1)).map((one) => one.id)).not.toContain(before.id);
  });

  test('without control groups a memory limit is held by measuring, and limitations say what is weaker', async () => {
    await runtime.close();
    runtime = await createProcessRuntime({ stateDir, ports: range, cgroups: 'none' });
    expect(await runtime.limitations()).toEqual([
      expect.stringMatching(/^Memory limits are held by looking once a second/),
      expect.stringMatching(/^CPU limits are not enforced/),
    ]);
    const limits = { memory: (128 * 1024 ** 2) as Bytes, cpus: null };
    await runtime.apply(desire({ limits, environment: { EAT_BYTES: String(300 * 1024 ** 2) } }), never);
    await poll(
      async () => ((await instances())[0]?.reason ?? '').startsWith('used more than 128 MiB of memory (its limit)'),
      'ended',
    );
  });

  test('a CPU limit is kept to, or limitations say that it is not', async () => {
    const limits = { memory: null, cpus: 0.25 };
    await runtime.apply(desire({ limits, environment: { BUSY: '1' } }), never);
    const [instance] = await untilReady(1);
    const from = { wall: performance.now(), cpu: cpuSeconds(instance?.pid ?? 0) };
    await poll(() => performance.now() - from.wall > 1500, '1.5 s of measuring');
    const share = (cpuSeconds(instance?.pid ?? 0) - from.cpu) / ((performance.now() - from.wall) / 1000);
    const isEnforced = !(await runtime.limitations()).some((text) => text.startsWith('CPU limits are not enforced'));
    expect(isEnforced ? share : 0).toBeLessThan(0.4);
  });

  /** Processor time a process has used: fields 14 and 15 of /proc/PID/stat, in hundredths of a second. */
  const cpuSeconds = (pid: number): number => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  };

  test('the log collector is single, is started again when it was killed, and no line is lost or doubled by that', async () => {
    await runtime.apply(desire({ environment: { LINE_EVERY_MS: '1' } }), never);
    await untilReady(1);
    for (let kills = 0; kills < 3; kills += 1) {
      let collector: ProcessIdentity | null = null;
      await poll(async () => {
        collector = readIdentity(stateDir);
        return collector !== null && (await table.isAlive(collector));
      }, 'a collector runs');
      const text = await collect(200);
      expect(text).toEqual(text.map((_, index) => `line ${index + 1}`));
      const killed = collector as ProcessIdentity | null;
      if (killed === null) throw new Error('no collector');
      process.kill(killed.pid, 'SIGKILL');
      await poll(async () => !(await table.isAlive(killed)), 'the collector is gone');
    }
    const all = await collect(800);
    expect(all).toEqual(all.map((_, index) => `line ${index + 1}`));
    expect(collectorsOf(stateDir).length).toBe(1);
  });

  /** All lines, as soon as there are at least so many. */
  async function collect(atLeast: number): Promise<string[]> {
    let texts: string[] = [];
    await poll(async () => {
      texts = [];
      const query = { environment: 'staging', service: 'api', tail: 1_000_000, follow: false };
      for await (const line of runtime.logs(query, never)) texts.push(line.text);
      return texts.length >= atLeast;
    }, `${atLeast} lines`);
    return texts;
  }

  test('raw output on disk stays small however much an instance writes, and every line is collected', async () => {
    const count = 30_000;
    await runtime.apply(desire({ environment: { LINES: String(count), LINE_BYTES: '500' } }), never);
    const [instance] = await untilReady(1);
    const texts = (await collect(count)).map((text) => Number(text.split(' ')[1]));
    expect(texts).toEqual(texts.map((_, index) => index + 1));
    const raw = join(dirname(recordFile(instance?.id ?? '')), '1.stdout');
    const { blocks } = await import('node:fs').then(({ statSync }) => statSync(raw));
    const limit = await runtime.limitations();
    expect(limit).toEqual([]);
    expect(blocks * 512).toBeLessThan(6 * 1024 ** 2);
  });
});
