import { randomInt, randomUUID } from 'node:crypto';
import { Agent } from 'node:http';
import { EventStream } from './event-stream.ts';
import { Operations } from './operations.ts';
import { planLoad, type LoadOptions, type LoadPlan } from './options.ts';
import type { LoadReport, LoadSnapshot } from './report.ts';
import { MixCycle, Schedule } from './schedule.ts';
import { SocketStream } from './socket-stream.ts';
import { Tally, type Clock } from './tally.ts';

/** A run of load that is going on. */
export interface LoadRun {
  /** Name of this run; its messages are stored under it. */
  readonly client: string;
  /** The counts as they are now. */
  snapshot(): LoadSnapshot;
  /** Resolves when the duration is over and the report is made; the same promise as `stop` returns. */
  readonly finished: Promise<LoadReport>;
  /** Sends nothing more, waits for what is in flight, closes the streams, checks what was acknowledged, and reports. */
  stop(): Promise<LoadReport>;
}

export const systemClock: Clock = { monotonicMs: () => performance.now(), wallMs: () => Date.now() };

/** A timer may be early by a fraction of a millisecond; and a loop that never waits starves what it measures. */
const leastWaitMs = 1;

/**
 * Starts steady load on the demo platform and checks every answer.
 *
 * @throws LoadOptionsError when an option is not usable, for one a target that is not this machine
 */
export function startLoad(options: LoadOptions, clock: Clock = systemClock): LoadRun {
  const plan = planLoad(options, randomUUID);
  const run = new Run(plan, clock);
  return { client: plan.client, snapshot: () => run.snapshot(), finished: run.finished, stop: () => run.stop() };
}

class Run {
  readonly finished: Promise<LoadReport>;
  readonly #plan: LoadPlan;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #tally: Tally;
  readonly #operations: Operations;
  readonly #streamAgent = new Agent({ keepAlive: false });
  readonly #schedule: Schedule;
  readonly #uploads: Schedule | null;
  readonly #mix: MixCycle;
  readonly #pending = new Set<Promise<void>>();
  readonly #streams: readonly Promise<void>[];
  readonly #stopStreams = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  readonly #report: (report: Promise<LoadReport>) => void;

  constructor(plan: LoadPlan, clock: Clock) {
    this.#plan = plan;
    this.#clock = clock;
    this.#startedAt = clock.wallMs();
    this.#tally = new Tally(clock);
    // Numbers of one run are not those of another, so that an answer meant for someone else is noticed.
    const first = randomInt(1_000_000) * 1_000_000_000;
    this.#operations = new Operations(plan, clock, this.#tally, first);
    const now = clock.monotonicMs();
    this.#schedule = new Schedule(now, plan.rate, plan.durationMs);
    this.#uploads = plan.uploadEveryMs === 0 ? null : new Schedule(now, 1000 / plan.uploadEveryMs, plan.durationMs);
    this.#mix = new MixCycle(plan.mix);
    const { promise, resolve } = Promise.withResolvers<LoadReport>();
    this.finished = promise;
    this.#report = resolve;
    const { signal } = this.#stopStreams;
    this.#streams = [
      ...Array.from({ length: plan.eventStreams }, async (_, index) =>
        new EventStream(plan, clock, this.#tally, this.#streamAgent, first + index * 10_000_000).run(signal),
      ),
      ...Array.from({ length: plan.webSockets }, async (_, index) =>
        new SocketStream(plan, clock, this.#tally, first + index * 10_000_000).run(signal),
      ),
    ];
    this.#tick();
  }

  snapshot(): LoadSnapshot {
    return {
      ...this.#tally.counts(),
      ...this.#tally.common(),
      elapsedSeconds: Math.round(this.#tally.elapsedMs) / 1000,
      latencyMs: this.#tally.latency(),
      lastSecond: this.#tally.lastSecond(),
    };
  }

  async stop(): Promise<LoadReport> {
    if (!this.#stopping) {
      this.#stopping = true;
      clearTimeout(this.#timer);
      this.#report(this.#finish());
    }
    return this.finished;
  }

  #tick(): void {
    const now = this.#clock.monotonicMs();
    for (const { dueMs } of this.#schedule.takeDue(now)) this.#send(this.#mix.next(), dueMs);
    for (const { dueMs } of this.#uploads?.takeDue(now) ?? []) this.#send('upload', dueMs);
    const nextMs = Math.min(this.#schedule.nextMs ?? Infinity, this.#uploads?.nextMs ?? Infinity);
    if (nextMs === Infinity) void this.stop();
    else this.#timer = setTimeout(() => this.#tick(), Math.max(leastWaitMs, nextMs - this.#clock.monotonicMs()));
  }

  #send(operation: Parameters<Operations['send']>[0], dueMs: number): void {
    if (this.#tally.inFlight >= this.#plan.maxInFlight) {
      this.#tally.skipped();
      return;
    }
    const sent = this.#operations.send(operation, dueMs).finally(() => this.#pending.delete(sent));
    this.#pending.add(sent);
  }

  async #finish(): Promise<LoadReport> {
    const durationSeconds = Math.round(this.#tally.elapsedMs) / 1000;
    await Promise.all(this.#pending);
    this.#stopStreams.abort();
    await Promise.all(this.#streams);
    this.#streamAgent.destroy();
    const acknowledged = await this.#operations.checkAcknowledged();
    this.#operations.close();
    const { host, port } = this.#plan.target;
    return {
      client: this.#plan.client,
      target: `http://${host}:${port}`,
      host: this.#plan.hostHeader,
      startedAt: this.#startedAt,
      durationSeconds,
      rate: this.#plan.rate,
      ...this.#tally.counts(),
      ...this.#tally.common(),
      ...this.#tally.details(),
      operations: this.#tally.operations(),
      acknowledged,
      seconds: this.#tally.seconds(),
    };
  }
}
