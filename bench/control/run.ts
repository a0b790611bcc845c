import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { planDeployment } from '../../src/core/rollout/plan-deployment.ts';
import { isCommitted, isFinal } from '../../src/core/rollout/state.ts';
import { systemClock } from '../../src/engine/clock.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { EnvironmentParts } from '../../src/engine/environment.ts';
import { recover } from '../../src/engine/recover.ts';
import { startEngine, type RunningEngine } from '../../src/engine/start.ts';
import { openSqliteJournal } from '../../src/store/sqlite-journal.ts';
import { benchEnvironment, benchRelease, benchReleases } from './platform.ts';
import { quickRouter, quickRuntime } from './quick-drivers.ts';

// One size, in a process of its own so that memory and processor time are its own: `run.ts SERVICES` prints the figures
// as JSON.

const AT_ONCE = 100;
const IDLE_MS = 10_000;
const SETTLE_MS = 120_000;

export interface ControlFigures {
  readonly services: number;
  readonly deployments: number;
  readonly stepP50Ms: number;
  readonly stepP99Ms: number;
  readonly stepMaxMs: number;
  readonly memoryMiB: number;
  readonly idleCpuPercent: number;
  readonly journalBytesPerDeployment: number;
  readonly recoveryMs: number;
}

/** Times each call that lets events through, divided by the events it let through. */
function meterSteps(): { readonly times: number[]; readonly onChange: () => void } {
  const times: number[] = [];
  let changes = 0;
  let depth = 0;
  const meter = <Args extends unknown[], Result>(method: (this: Engine, ...args: Args) => Result) =>
    function metered(this: Engine, ...args: Args): Result {
      if (depth > 0) return method.apply(this, args);
      depth += 1;
      const changesBefore = changes;
      const started = performance.now();
      try {
        return method.apply(this, args);
      } finally {
        depth -= 1;
        const steps = changes - changesBefore;
        const each = (performance.now() - started) / Math.max(1, steps);
        for (let step = 0; step < steps; step += 1) times.push(each);
      }
    };
  // eslint-disable-next-line typescript/unbound-method -- called with its own `this` again
  const { send, request } = Engine.prototype;
  Engine.prototype.send = meter(send);
  Engine.prototype.request = meter(request);
  return { times, onChange: () => (changes += 1) };
}

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;

async function settle(running: RunningEngine): Promise<void> {
  const until = performance.now() + SETTLE_MS;
  while (running.ledger.active().length > 0) {
    if (performance.now() > until) throw new Error('deployments do not end');
    await sleep(50);
  }
}

async function measure(services: number): Promise<ControlFigures> {
  const directory = mkdtempSync(join(tmpdir(), 'veza-bench-'));
  try {
    const environment = benchEnvironment(services);
    const all = Object.values(environment.services);
    const releases = benchReleases(all.flatMap((service) => [benchRelease(service, 1), benchRelease(service, 2)]));
    const parts = (): EnvironmentParts => ({
      declared: environment,
      runtime: quickRuntime(),
      router: quickRouter(),
      configuration: { variables: async () => ({}), attachments: async () => ({ folders: [], secrets: [] }) },
      migrations: { check: async () => {}, apply: async () => [] },
      smoke: { run: async () => {} },
      internalPort: () => 1,
      ensureAddress: async () => {},
    });
    const meter = meterSteps();
    const start = (epoch: number) => {
      const journal = openSqliteJournal(directory);
      const ledger = recover(journal);
      const options = { journal, ledger, clock: systemClock, epoch, releases, isUnavailable: () => false };
      return { journal, running: startEngine({ ...options, onChange: meter.onChange, onAlarm: () => {} }) };
    };
    const never = new AbortController().signal;
    const { journal, running } = start(1);
    const mine = parts();
    await running.open(mine, never);
    running.resume();
    const deploy = (service: (typeof all)[number], version: number): void => {
      running.engine.request(
        planDeployment(
          {
            id: running.ledger.nextId,
            environment: 'development',
            kind: 'planned',
            order: 'together',
            requestedBy: 'bench',
            gates: environment.gates,
            wanted: [{ release: benchRelease(service, version), service }],
            strategy: null,
          },
          (name) => running.ledger.record('development', name),
        ),
      );
    };
    for (let from = 0; from < all.length; from += AT_ONCE) {
      for (const service of all.slice(from, from + AT_ONCE)) deploy(service, 1);
      await settle(running);
    }
    meter.times.length = 0;
    const bytesBefore = journalBytes(journal);
    const canaries = all.slice(0, AT_ONCE);
    for (const service of canaries) deploy(service, 2);
    await settle(running);
    const times = meter.times.toSorted((a, b) => a - b);
    const bytes = journalBytes(journal) - bytesBefore;
    for (const state of running.ledger.deployments()) {
      if (isFinal(state.phase) && isCommitted(state)) continue;
      throw new Error(`${state.plan.id} did not succeed: ${state.phase} ${state.reason?.text ?? ''}`);
    }
    const cpuBefore = process.cpuUsage();
    await sleep(IDLE_MS);
    const cpu = process.cpuUsage(cpuBefore);
    const memoryMiB = process.memoryUsage.rss() / 1024 ** 2;
    running.close();
    journal.close();

    const recoveryStarted = performance.now();
    const second = start(2);
    await second.running.open({ ...parts(), runtime: mine.runtime, router: mine.router }, never);
    second.running.resume();
    const recoveryMs = performance.now() - recoveryStarted;
    second.running.close();
    second.journal.close();
    return {
      services,
      deployments: canaries.length,
      stepP50Ms: quantile(times, 0.5),
      stepP99Ms: quantile(times, 0.99),
      stepMaxMs: times.at(-1) ?? 0,
      memoryMiB,
      idleCpuPercent: (100 * (cpu.user + cpu.system)) / 1_000 / IDLE_MS,
      journalBytesPerDeployment: bytes / canaries.length,
      recoveryMs,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Of the entries themselves: files grow by pages, and the write-ahead log by more. */
function journalBytes(journal: ReturnType<typeof openSqliteJournal>): number {
  let bytes = 0;
  for (const entry of journal.read(0)) bytes += JSON.stringify(entry).length;
  return bytes;
}

process.stdout.write(`${JSON.stringify(await measure(Number(process.argv[2] ?? 10)))}\n`);
