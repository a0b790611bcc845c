import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ReleaseId } from '../../src/core/release/release.ts';
import type { Health, Probe } from '../../src/core/spec/platform.ts';
import type { Bytes, Command, DurationMs } from '../../src/core/units/quantities.ts';
import type { InstanceStatus, LogLine, Runtime, SlotDesire, SlotStatus } from '../../src/drivers/runtime/runtime.ts';
import { CapacityError } from '../../src/errors.ts';

/** What a runtime's driver brings to the contract. */
export interface RuntimeUnderTest {
  /** A runtime object on the state of this test; may be called again after the one before was closed or dropped. */
  readonly open: () => Promise<Runtime>;
  /** Lets another process open a runtime on the same state, apply the desire, wait until all is ready, and kills it (SIGKILL). */
  readonly ownAndDie: (desire: SlotDesire) => Promise<void>;
  /** Where `server.js` of the fixtures is for instances. */
  readonly artifactDir: string;
  readonly run: Command;
  /** Command that runs a JavaScript expression as a one-off. */
  readonly script: (source: string) => Command;
  /** Names that the runtime adds to an instance's environment beside PORT, HOST and VEZA_*. */
  readonly addedEnvironment: readonly string[];
  /**
   * Process id on this machine of a process that calls itself `pid` and carries this marker in its environment; null when there is
   * none. For processes that share our ids it is the same.
   */
  readonly onHost: (pid: number, marker: string) => number | null;
  /** True when the process is gone. */
  readonly isGone: (pid: number) => boolean;
  /** Stops what is left, removes the state. */
  readonly dispose: () => Promise<void>;
}

const ms = (value: number): DurationMs => value as DurationMs;
const never = new AbortController().signal;
const ref = { environment: 'staging', service: 'api', slot: 'blue' } as const;

const http = (path: string, intervalMs: number, failures: number, timeoutMs = 500): Probe => ({
  check: { kind: 'http', path },
  intervalMs: ms(intervalMs),
  timeoutMs: ms(timeoutMs),
  failures,
});

const health: Health = {
  startup: http('/health', 1000, 10),
  readiness: http('/health', 100, 2),
  liveness: null,
  stableForMs: ms(0),
};

const ask = async (instance: InstanceStatus, path: string): Promise<string> => {
  const answer = await fetch(`http://${instance.address.host}:${instance.address.port}${path}`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(5000),
  });
  return answer.text();
};

/** One suite for all runtimes: what the engine relies on. */
export function runtimeContract(name: string, prepare: () => Promise<RuntimeUnderTest>): void {
  describe(`runtime ${name}`, () => {
    let under: RuntimeUnderTest;
    let runtime: Runtime;
    let scratch: string;

    beforeEach(async () => {
      scratch = mkdtempSync(join(tmpdir(), 'veza-contract-'));
      under = await prepare();
      runtime = await under.open();
    });
    afterEach(async () => {
      await runtime.close();
      await under.dispose();
      rmSync(scratch, { recursive: true, force: true });
    });

    const reopen = async (): Promise<void> => {
      await runtime.close();
      runtime = await under.open();
    };

    const desire = (environment: Record<string, string> = {}, changes: Partial<SlotDesire> = {}): SlotDesire => ({
      ref,
      release: 'rel_00000000000000000001' as ReleaseId,
      artifactDir: under.artifactDir,
      run: under.run,
      instances: 1,
      environment,
      folders: [scratch],
      health,
      restart: { backoffMs: ms(100), maxBackoffMs: ms(1000), crashLoopAfter: 3, windowMs: ms(30_000) },
      stopGraceMs: 5000,
      limits: { memory: null, cpus: null },
      ...changes,
    });

    const observe = async (): Promise<SlotStatus | undefined> =>
      (await runtime.observe(never)).find((slot) => slot.ref.service === ref.service && slot.ref.slot === ref.slot);

    /** The slot's status as soon as it fits, told by `subscribe`; fails with what it was instead. */
    const until = async (fits: (slot: SlotStatus) => boolean, what: string): Promise<SlotStatus> => {
      const first = await observe();
      if (first !== undefined && fits(first)) return first;
      let last = first;
      return new Promise((resolve, reject) => {
        const deadline = setTimeout(() => {
          leave();
          reject(new Error(`not within 20 s: ${what}; was ${JSON.stringify(last)}`));
        }, 20_000);
        const leave = runtime.subscribe((slot) => {
          last = slot;
          if (!fits(slot)) return;
          clearTimeout(deadline);
          leave();
          resolve(slot);
        });
      });
    };
    const untilReady = (count: number): Promise<SlotStatus> =>
      until(
        (slot) => slot.instances.length === count && slot.instances.every((one) => one.state === 'ready'),
        `${count} ready`,
      );

    const only = (slot: SlotStatus): InstanceStatus => {
      const [instance] = slot.instances;
      if (instance === undefined || slot.instances.length !== 1)
        throw new Error(`not one instance: ${JSON.stringify(slot)}`);
      return instance;
    };
    /** What an instance says of itself: its name, and a process of this machine that it is. */
    const whoAnswers = async (instance: InstanceStatus): Promise<{ id: string; pid: number | null }> => {
      const [id = '', pid = ''] = (await ask(instance, '/')).split(' ');
      return { id, pid: under.onHost(Number(pid), id) };
    };
    const pidOf = (instance: InstanceStatus): number => {
      if (instance.pid === null) throw new Error(`${instance.id} does not run`);
      return instance.pid;
    };

    const readLogs = async (tail = 1000): Promise<LogLine[]> => {
      const lines: LogLine[] = [];
      const query = { environment: ref.environment, service: ref.service, tail, follow: false };
      for await (const line of runtime.logs(query, never)) lines.push(line);
      return lines;
    };

    describe('slots', () => {
      test('an applied slot becomes ready and its instances answer on ports of their own', async () => {
        await runtime.apply(desire({}, { instances: 2 }), never);
        const slot = await untilReady(2);
        expect(slot).toMatchObject({ ref, wanted: 2, release: 'rel_00000000000000000001' });
        const answers = await Promise.all(slot.instances.map(whoAnswers));
        expect(answers.map(({ id }) => id)).toEqual(slot.instances.map(({ id }) => id));
        for (const [index, { pid }] of answers.entries()) expect(isOf(pid, slot.instances[index]?.pid)).toBe(true);
        expect(new Set(slot.instances.map((instance) => instance.address.port)).size).toBe(2);
        expect(slot.instances.map((instance) => [instance.restarts, instance.reason])).toEqual([
          [0, null],
          [0, null],
        ]);
      });

      test('an instance with metrics has a second port for them, told in METRICS_PORT and {METRICS_PORT}', async () => {
        const run = [...under.run, '{METRICS_PORT}'] as unknown as Command;
        const metrics = { metrics: true, run, environment: { EXPORTER: 'at {METRICS_PORT}' } };
        await runtime.apply(desire({}, { instances: 2, ...metrics }), never);
        const { instances } = await untilReady(2);
        const ports = instances.flatMap((one) => [one.address.port, one.metrics?.port]);
        expect(new Set(ports).size).toBe(4);
        for (const instance of instances) {
          const port = String(instance.metrics?.port);
          expect(JSON.parse(await ask(instance, '/env'))).toMatchObject({ METRICS_PORT: port, EXPORTER: `at ${port}` });
          expect(JSON.parse(await ask(instance, '/arguments'))).toEqual([port]);
          const exported = { ...instance, address: instance.metrics ?? instance.address };
          expect(await ask(exported, '/metrics')).toBe(`instance_info{id="${instance.id}"} 1\n`);
        }
      });

      test('an instance without metrics has no second port, and knows nothing of one', async () => {
        await runtime.apply(desire({ EXPORTER: 'at {METRICS_PORT}' }), never);
        const instance = only(await untilReady(1));
        expect(instance.metrics).toBeUndefined();
        const environment = JSON.parse(await ask(instance, '/env')) as Record<string, string>;
        expect(environment['METRICS_PORT']).toBeUndefined();
        expect(environment['VEZA_DEPLOYMENT']).toBeUndefined();
      });

      test('an instance knows which deployment it was started by', async () => {
        await runtime.apply(desire({}, { deployment: 'dep_12' }), never);
        const environment = await ask(only(await untilReady(1)), '/env');
        expect(JSON.parse(environment)).toMatchObject({ VEZA_DEPLOYMENT: 'dep_12' });
      });

      test('applying the same desire again changes nothing', async () => {
        await runtime.apply(desire({}, { instances: 2 }), never);
        const before = await untilReady(2);
        await runtime.apply(desire({}, { instances: 2 }), never);
        expect(await observe()).toEqual(before);
      });

      test('scaling up keeps what runs, scaling down keeps the oldest', async () => {
        await runtime.apply(desire(), never);
        const first = only(await untilReady(1));
        await runtime.apply(desire({}, { instances: 3 }), never);
        const three = await untilReady(3);
        expect(three.instances).toContainEqual(first);
        await runtime.apply(desire({}, { instances: 1 }), never);
        const left = await until((slot) => slot.instances.length === 1, 'one left');
        expect(left.instances).toEqual([first]);
        for (const gone of three.instances.slice(1)) expect(under.isGone(pidOf(gone))).toBe(true);
      });

      test('a slot that is taken anew is never told of as what it was before, not even when the old grace is over', async () => {
        const stopGraceMs = 1_000;
        for (let round = 0; round < 3; round += 1) {
          await runtime.apply(desire({}, { instances: 2, stopGraceMs }), never);
          await untilReady(2);
          await runtime.remove(ref, never);
        }
        const told: SlotStatus[] = [];
        const release = 'rel_00000000000000000002' as ReleaseId;
        await runtime.apply(desire({}, { release, instances: 2, stopGraceMs }), never);
        await untilReady(2);
        const leave = runtime.subscribe((slot) => void told.push(slot));
        await new Promise((resolve) => setTimeout(resolve, 2 * stopGraceMs));
        leave();
        expect(told.filter((slot) => slot.release !== release)).toEqual([]);
        expect(await observe()).toMatchObject({ release, wanted: 2 });
      });

      test('a slot with another release is replaced', async () => {
        await runtime.apply(desire(), never);
        const old = only(await untilReady(1));
        await runtime.apply(desire({}, { release: 'rel_00000000000000000002' as ReleaseId }), never);
        const slot = await until(
          ({ instances }) => instances.length === 1 && instances[0]?.id !== old.id && instances[0]?.state === 'ready',
          'replaced',
        );
        expect(slot.release).toBe('rel_00000000000000000002');
        expect(JSON.parse(await ask(only(slot), '/env'))).toMatchObject({ VEZA_RELEASE: 'rel_00000000000000000002' });
        expect(under.isGone(pidOf(old))).toBe(true);
      });

      test('removing resolves when all is gone, and may be repeated', async () => {
        await runtime.apply(desire({}, { instances: 2 }), never);
        const slot = await untilReady(2);
        await runtime.remove(ref, never);
        expect(slot.instances.map((instance) => under.isGone(pidOf(instance)))).toEqual([true, true]);
        expect(await observe()).toBeUndefined();
        await runtime.remove(ref, never);
      });

      test('a slot that was removed can be applied again', async () => {
        await runtime.apply(desire(), never);
        await untilReady(1);
        await runtime.remove(ref, never);
        await runtime.apply(desire(), never);
        await untilReady(1);
      });

      test('subscribers hear of the end of an instance within a second, and nothing after they left', async () => {
        await runtime.apply(desire(), never);
        const instance = only(await untilReady(1));
        const heard: string[] = [];
        const leave = runtime.subscribe((slot) => heard.push(slot.instances.map((one) => one.state).join()));
        const since = performance.now();
        await ask(instance, '/exit').catch(() => '');
        await until((slot) => slot.instances[0]?.state !== 'ready', 'not ready');
        expect(performance.now() - since).toBeLessThan(1000);
        await untilReady(1);
        leave();
        const count = heard.length;
        expect(heard[0]).toBe('backing-off');
        await runtime.remove(ref, never);
        expect(heard.length).toBe(count);
      });
    });

    describe('environment', () => {
      test('holds what was declared, what tells it who it is, and nothing of the parent', async () => {
        process.env.VEZA_CONTRACT_LEAK = 'of the parent';
        process.env.NODE_V8_COVERAGE ??= scratch;
        await runtime.apply(desire({ DATABASE_URL: 'postgres://here', EMPTY: '' }), never);
        delete process.env.VEZA_CONTRACT_LEAK;
        if (process.env.NODE_V8_COVERAGE === scratch) delete process.env.NODE_V8_COVERAGE;
        const instance = only(await untilReady(1));
        const environment = JSON.parse(await ask(instance, '/env')) as Record<string, string>;
        expect(environment).toMatchObject({
          DATABASE_URL: 'postgres://here',
          EMPTY: '',
          PORT: String(instance.address.port),
          VEZA_INSTANCE: instance.id,
          VEZA_SERVICE: 'api',
          VEZA_ENVIRONMENT: 'staging',
          VEZA_RELEASE: 'rel_00000000000000000001',
          VEZA_SLOT: 'blue',
        });
        const own = ['PORT', 'HOST', 'VEZA_INSTANCE', 'VEZA_SERVICE', 'VEZA_ENVIRONMENT', 'VEZA_RELEASE', 'VEZA_SLOT'];
        const expected = [...own, 'DATABASE_URL', 'EMPTY', ...under.addedEnvironment];
        expect(Object.keys(environment).sort()).toEqual(expected.sort());
      });

      test('what tells an instance who it is cannot be declared away', async () => {
        await runtime.apply(desire({ VEZA_INSTANCE: 'somebody-else', PORT: '1' }), never);
        const instance = only(await untilReady(1));
        expect(JSON.parse(await ask(instance, '/env'))).toMatchObject({ VEZA_INSTANCE: instance.id });
      });

      test('placeholders in what is run and in variables are filled in, and nothing else in braces is', async () => {
        const environment = {
          LISTEN: '{HOST}:{PORT}',
          STORE: '{DATA}/packages',
          VEZA_DATA: '/data/{{PORT}}',
          TEXT: '{{PORT}}',
          JSON: '{"a":{"b":"{c}"}}',
        };
        const run = [...under.run, '--listen={HOST}:{PORT}'] as unknown as Command;
        await runtime.apply(desire(environment, { run }), never);
        const instance = only(await untilReady(1));
        const { host, port } = instance.address;
        expect(JSON.parse(await ask(instance, '/env'))).toMatchObject({
          LISTEN: `${host}:${port}`,
          STORE: '/data/{PORT}/packages',
          VEZA_DATA: '/data/{PORT}',
          TEXT: '{PORT}',
          JSON: '{"a":{"b":"{c}"}}',
        });
        expect(JSON.parse(await ask(instance, '/arguments'))).toEqual([`--listen=${host}:${port}`]);
      });
    });

    describe('health', () => {
      test('an instance is ready only after it was ready for stableForMs', async () => {
        const told: [number, string][] = [];
        runtime.subscribe((slot) => told.push([performance.now(), slot.instances[0]?.state ?? 'none']));
        await runtime.apply(desire({ READY_AFTER_MS: '300' }, { health: { ...health, stableForMs: ms(700) } }), never);
        const from = performance.now();
        await untilReady(1);
        const readyAt = told.find(([, state]) => state === 'ready')?.[0] ?? 0;
        expect(readyAt - from).toBeGreaterThan(900);
        expect(readyAt - from).toBeLessThan(5000);
      });

      test('an instance that never gets healthy is restarted when its start-up time is over, with the reason', async () => {
        const startup = http('/health', 100, 8);
        await runtime.apply(desire({ NEVER_READY: '1' }, { health: { ...health, startup } }), never);
        const slot = await until(({ instances }) => (instances[0]?.restarts ?? 0) >= 1, 'restarted');
        expect(only(slot).reason).toMatch(/did not answer GET \/health within 0\.8 s \(last: answered 503\)/);
      });

      test('an instance that never listens is restarted, with the reason', async () => {
        const startup = http('/health', 100, 8);
        await runtime.apply(desire({ NEVER_LISTEN: '1' }, { health: { ...health, startup } }), never);
        const slot = await until(({ instances }) => instances[0]?.state === 'backing-off', 'backing off');
        expect(only(slot).reason).toBe('port never opened within 0.8 s (last: connection refused)');
      });

      test('failing readiness makes an instance unready and does not restart it', async () => {
        const file = join(scratch, 'unready');
        await runtime.apply(desire({ UNREADY_FILE: file }), never);
        const before = only(await untilReady(1));
        writeFileSync(file, '');
        const unready = only(await until(({ instances }) => instances[0]?.state === 'unready', 'unready'));
        expect(unready).toMatchObject({ pid: before.pid, restarts: 0 });
        expect(unready.reason).toMatch(/^GET \/health failed \d+ times in a row \(last: answered 503\)$/);
        rmSync(file);
        expect(only(await untilReady(1))).toMatchObject({ pid: before.pid, restarts: 0, reason: null });
      });

      test('failing liveness restarts an instance', async () => {
        const file = join(scratch, 'hang');
        const liveness = http('/live', 100, 2, 200);
        await runtime.apply(desire({ HANG_FILE: file }, { health: { ...health, liveness } }), never);
        const before = only(await untilReady(1));
        writeFileSync(file, '');
        const down = only(await until(({ instances }) => instances[0]?.state === 'backing-off', 'backing off'));
        expect(down.reason).toBe('did not answer GET /live (liveness) 2 times in a row (last: no answer within 0.2 s)');
        rmSync(file);
        const after = only(await untilReady(1));
        expect(after.pid).not.toBe(before.pid);
        expect(after.restarts).toBeGreaterThanOrEqual(1);
      });

      test('a TCP probe is answered by an open port', async () => {
        const tcp: Probe = { check: { kind: 'tcp' }, intervalMs: ms(500), timeoutMs: ms(500), failures: 20 };
        const byPort = { startup: tcp, readiness: tcp, liveness: null, stableForMs: ms(0) };
        await runtime.apply(desire({ NEVER_READY: '1', LISTEN_AFTER_MS: '200' }, { health: byPort }), never);
        await untilReady(1);
      });
    });

    describe('ends and restarts', () => {
      test('an instance that exits is restarted after its backoff, on the same port, with its last words as the reason', async () => {
        const from = performance.now();
        await runtime.apply(desire({ EXIT_AFTER_MS: '300', EXIT_AFTER_STATUS: '3', SAY_ERROR: 'no database' }), never);
        const first = only(await until(({ instances }) => instances[0]?.state === 'backing-off', 'backing off'));
        expect(first.reason).toMatch(/^exited with status 3 after \d+(\.\d)? s: no database$/);
        const second = only(await until(({ instances }) => instances[0]?.restarts === 1, 'restarted'));
        expect(performance.now() - from).toBeGreaterThan(400);
        expect(second.id).toBe(first.id);
      });

      test('a signal that ended an instance is named', async () => {
        await runtime.apply(desire(), never);
        await ask(only(await untilReady(1)), '/crash').catch(() => '');
        const slot = await until(({ instances }) => instances[0]?.state !== 'ready', 'not ready');
        expect(only(slot).reason).toMatch(/^killed by SIGSEGV after /);
        await untilReady(1);
      });

      test('exits beyond the limit are a crash loop, which is left by becoming ready', async () => {
        const changes = {
          restart: { backoffMs: ms(20), maxBackoffMs: ms(100), crashLoopAfter: 2, windowMs: ms(30_000) },
        };
        await runtime.apply(desire({ EXIT_STATUS: '7', SAY_ERROR: 'bad configuration' }, changes), never);
        const slot = await until(({ instances }) => instances[0]?.state === 'crash-looping', 'crash loop');
        expect(only(slot).restarts).toBeGreaterThanOrEqual(2);
        expect(only(slot).reason).toMatch(/^exited with status 7 .*: bad configuration$/);
        await runtime.apply(desire({}, changes), never);
        await untilReady(1);
      });

      test('a program that does not exist is a reason, not a failure of apply', async () => {
        await runtime.apply(desire({}, { run: ['./no-such-program'] }), never);
        const slot = await until(({ instances }) => (instances[0]?.reason ?? null) !== null, 'a reason');
        expect(only(slot).reason).toMatch(/could not be started: .*no-such-program/);
      });

      test('an instance that ignores SIGTERM is killed when its grace is over', async () => {
        await runtime.apply(desire({ IGNORE_SIGTERM: '1' }, { instances: 3, stopGraceMs: 1000 }), never);
        const slot = await untilReady(3);
        const from = performance.now();
        await runtime.remove(ref, never);
        const took = performance.now() - from;
        expect(took).toBeGreaterThan(950);
        // In parallel: one after another would take three graces.
        expect(took).toBeLessThan(2800);
        expect(slot.instances.every((instance) => under.isGone(pidOf(instance)))).toBe(true);
      });

      test('what an instance started itself goes with it, even from a session of its own', async () => {
        await runtime.apply(desire({ SPAWN_CHILD: 'detached' }), never);
        await untilReady(1);
        const told = (await readLogs()).find((line) => line.text.startsWith('child '));
        const child = under.onHost(Number(told?.text.slice(6)), told?.instance ?? '') ?? 0;
        expect(under.isGone(child)).toBe(false);
        await runtime.remove(ref, never);
        expect(under.isGone(child)).toBe(true);
      });

      test('an instance over its memory limit is ended and the reason says so', async () => {
        const limits = { memory: (128 * 1024 ** 2) as Bytes, cpus: null };
        await runtime.apply(desire({}, { limits }), never);
        await ask(only(await untilReady(1)), `/eat?bytes=${400 * 1024 ** 2}`);
        const slot = await until(({ instances }) => instances[0]?.state !== 'ready', 'not ready');
        expect(only(slot).reason).toMatch(/^used more than 128 MiB of memory \(its limit\) after /);
        await untilReady(1);
      });
    });

    describe('adoption', () => {
      test('instances run on when the runtime is closed and are found again, ready', async () => {
        await runtime.apply(desire({}, { instances: 2 }), never);
        const before = await untilReady(2);
        await runtime.close();
        const answers = await Promise.all(before.instances.map(whoAnswers));
        expect(answers.map(({ id }) => id)).toEqual(before.instances.map(({ id }) => id));
        for (const [index, { pid }] of answers.entries()) expect(isOf(pid, before.instances[index]?.pid)).toBe(true);
        runtime = await under.open();
        const after = await observe();
        expect(after?.instances.toSorted(byId)).toEqual(before.instances.toSorted(byId));
      });

      test('instances survive the kill -9 of the process that started them, and are supervised again', async () => {
        await runtime.close();
        await under.ownAndDie(desire({}, { instances: 2 }));
        runtime = await under.open();
        const adopted = await untilReady(2);
        const [one, other] = adopted.instances;
        if (one === undefined || other === undefined) throw new Error('two instances expected');
        const answer = await whoAnswers(one);
        expect(answer.id).toBe(one.id);
        expect(isOf(answer.pid, one.pid)).toBe(true);
        await ask(one, '/exit').catch(() => '');
        await until(({ instances }) => instances.find(({ id }) => id === one.id)?.restarts === 1, 'restarted');
        const again = await untilReady(2);
        expect(again.instances).toContainEqual(other);
      });

      test('the second port is kept over the kill -9 of the process that gave it, and free once the slot is gone', async () => {
        await runtime.close();
        await under.ownAndDie(desire({}, { metrics: true }));
        runtime = await under.open();
        const adopted = only(await untilReady(1));
        const exported = { ...adopted, address: adopted.metrics ?? { host: '', port: 0 } };
        expect(await ask(exported, '/metrics')).toContain(adopted.id);
        // Another slot is given neither of its ports.
        const other = { ref: { ...ref, slot: 'green' as const }, metrics: true };
        await runtime.apply(desire({}, other), never);
        const green = (): SlotStatus | undefined => seen.find((slot) => slot.ref.slot === 'green');
        let seen = await runtime.observe(never);
        await poll(async () => {
          seen = await runtime.observe(never);
          return green()?.instances[0]?.state === 'ready';
        }, 'green ready');
        const [second] = green()?.instances ?? [];
        const ports = [adopted, second].flatMap((one) => [one?.address.port, one?.metrics?.port]);
        expect(new Set(ports).size).toBe(4);
        await runtime.remove(ref, never);
        await runtime.remove(other.ref, never);
        await expect(ask(exported, '/metrics')).rejects.toThrow();
      });

      test('what died while nobody watched is started again', async () => {
        await runtime.apply(desire(), never);
        const before = only(await untilReady(1));
        await runtime.close();
        await ask(before, '/exit').catch(() => '');
        await poll(() => under.isGone(pidOf(before)), 'the instance is gone');
        runtime = await under.open();
        const after = only(await untilReady(1));
        expect(after.pid).not.toBe(before.pid);
        expect(after).toMatchObject({ id: before.id, restarts: 1 });
        expect(after.reason).toMatch(/^ended while nobody was watching/);
      });

      test('a removal that was cut short can be repeated by the next runtime', async () => {
        await runtime.apply(desire({ IGNORE_SIGTERM: '1' }, { stopGraceMs: 1500 }), never);
        const pid = pidOf(only(await untilReady(1)));
        await expect(runtime.remove(ref, AbortSignal.timeout(50))).rejects.toThrow(/timeout/i);
        await reopen();
        await runtime.remove(ref, never);
        expect(under.isGone(pid)).toBe(true);
        expect(await observe()).toBeUndefined();
      });
    });

    describe('logs', () => {
      test('lines of all instances come together, ordered by time, with stream, instance and release', async () => {
        await runtime.apply(desire({ SAY: 'to stdout', SAY_ERROR: 'to stderr' }, { instances: 2 }), never);
        const slot = await untilReady(2);
        const lines = await readLogs();
        expect(lines.map(({ stream, text }) => `${stream} ${text}`).sort()).toEqual([
          'stderr to stderr',
          'stderr to stderr',
          'stdout to stdout',
          'stdout to stdout',
        ]);
        expect(new Set(lines.map((line) => line.instance))).toEqual(
          new Set(slot.instances.map((instance) => instance.id)),
        );
        expect(lines.map((line) => line.time)).toEqual(
          lines.map((line) => line.time).toSorted((one, other) => one - other),
        );
        expect(lines[0]?.release).toBe('rel_00000000000000000001');
      });

      test('tail gives the last lines, follow goes on until it is cancelled', async () => {
        await runtime.apply(desire({ LINES: '50' }), never);
        const instance = only(await untilReady(1));
        const stop = new AbortController();
        const seen: string[] = [];
        const query = { environment: ref.environment, service: ref.service, tail: 2, follow: true };
        for await (const line of runtime.logs(query, stop.signal)) {
          seen.push(line.text.trim());
          if (line.text.startsWith('line 50')) await ask(instance, '/say?text=more');
          if (line.text === 'more') stop.abort();
        }
        expect(seen).toEqual(['line 49', 'line 50', 'more']);
      });

      test('what is written while nobody supervises is there afterwards, every line once', async () => {
        await runtime.apply(desire({ LINE_EVERY_MS: '5' }), never);
        const instance = only(await untilReady(1));
        await runtime.close();
        await ask(instance, '/say?text=alone');
        runtime = await under.open();
        await ask(instance, '/say?text=together');
        const texts = (await readLogs()).map((line) => line.text);
        expect(texts.indexOf('alone')).toBeGreaterThan(0);
        expect(texts.indexOf('together')).toBeGreaterThan(texts.indexOf('alone'));
        const counted = texts.filter((text) => text.startsWith('line ')).map((text) => Number(text.slice(5)));
        expect(counted).toEqual(counted.map((_, index) => index + 1));
      });

      test('the last lines of an instance stay when it is gone', async () => {
        await runtime.apply(desire({ SAY: 'I was here' }), never);
        await untilReady(1);
        await runtime.remove(ref, never);
        expect((await readLogs()).map((line) => line.text)).toContain('I was here');
      });
    });

    describe('one-off processes', () => {
      const runOneOff = async (
        source: string,
        signal = never,
        environment: Record<string, string> = {},
      ): Promise<{ status: number; output: Record<'stdout' | 'stderr', string> }> => {
        const output = { stdout: '', stderr: '' };
        const status = await runtime.run(
          {
            id: 'one-off-1',
            artifactDir: under.artifactDir,
            command: under.script(source),
            environment,
            folders: [scratch],
            onOutput: (stream, chunk) => (output[stream] += Buffer.from(chunk).toString('utf8')),
          },
          signal,
        );
        return { status, output };
      };

      test('returns the exit status and hands on what was written', async () => {
        const source = 'console.log(process.env.WHO); console.error("oh"); process.exitCode = 42';
        expect(await runOneOff(source, never, { WHO: 'me' })).toEqual({
          status: 42,
          output: { stdout: 'me\n', stderr: 'oh\n' },
        });
        expect((await runOneOff('0')).status).toBe(0);
      });

      test('a large output arrives whole', async () => {
        const { output } = await runOneOff('process.stdout.write("x".repeat(3_000_000))');
        expect(output.stdout.length).toBe(3_000_000);
      });

      test('ends with what it started when it is cancelled', async () => {
        const stop = new AbortController();
        const file = join(scratch, 'pid');
        const source = `require('fs').writeFileSync(${JSON.stringify(file)}, String(process.pid)); setInterval(() => {}, 1000)`;
        const running = runOneOff(source, stop.signal);
        await poll(() => existsSync(file) && readFileSync(file, 'utf8') !== '', 'the process runs');
        const pid = under.onHost(Number(readFileSync(file, 'utf8')), 'one-off-1') ?? 0;
        expect(under.isGone(pid)).toBe(false);
        stop.abort(new Error('not needed any more'));
        await expect(running).rejects.toThrow('not needed any more');
        expect(under.isGone(pid)).toBe(true);
      });

      test('a program that does not exist is said', async () => {
        const oneOff = { id: 'x', artifactDir: under.artifactDir, environment: {}, onOutput: () => undefined };
        await expect(runtime.run({ ...oneOff, command: ['no-such-program'] }, never)).rejects.toThrow(
          /no-such-program/,
        );
      });
    });

    describe('capacity and cancellation', () => {
      test('reserve accepts what fits and names the memory that is short', async () => {
        await runtime.reserve(desire(), 2, never);
        const huge = desire({}, { limits: { memory: (512 * 1024 ** 3) as Bytes, cpus: null } });
        await expect(runtime.reserve(huge, 3, never)).rejects.toBeInstanceOf(CapacityError);
        await expect(runtime.reserve(huge, 3, never)).rejects.toThrow(/3 instances of api: 1536 GiB of memory needed/);
      });

      test('a cancelled call does nothing', async () => {
        const cancelled = AbortSignal.abort(new Error('cancelled'));
        await expect(runtime.apply(desire(), cancelled)).rejects.toThrow('cancelled');
        await expect(runtime.observe(cancelled)).rejects.toThrow('cancelled');
        await expect(runtime.reserve(desire(), 1, cancelled)).rejects.toThrow('cancelled');
        expect(await observe()).toBeUndefined();
      });

      test('closing ends a removal that is under way for its caller, and a closed runtime accepts nothing', async () => {
        await runtime.apply(desire({ IGNORE_SIGTERM: '1' }), never);
        await untilReady(1);
        const removing = runtime.remove(ref, never);
        removing.catch(() => undefined);
        await until(({ instances }) => instances[0]?.state === 'stopping', 'stopping');
        await runtime.close();
        await expect(removing).rejects.toThrow(/closed/);
        await expect(runtime.apply(desire(), never)).rejects.toThrow(/closed/);
        runtime = await under.open();
      });

      test('a removal that nobody waits for any more still happens', async () => {
        await runtime.apply(desire({ IGNORE_SIGTERM: '1' }, { stopGraceMs: 300 }), never);
        const pid = pidOf(only(await untilReady(1)));
        await expect(runtime.remove(ref, AbortSignal.timeout(50))).rejects.toThrow(/timeout/i);
        await poll(() => under.isGone(pid), 'the instance is gone');
      });
    });
  });
}

/** Whether a process is this instance's, or was started by its first process, as that of a container. */
function isOf(pid: number | null, first: number | null | undefined): boolean {
  if (pid === null || first === null || first === undefined) return false;
  const parent = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return pid === first || Number(parent) === first;
}

const byId = (one: InstanceStatus, other: InstanceStatus): number => (one.id < other.id ? -1 : 1);

/** Waits for a condition that nothing tells us about. */
export async function poll(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
