import { randomBytes } from 'node:crypto';
import { Agent } from 'node:http';
import { Random } from '../seed/random.ts';
import { Arrivals } from './arrivals.ts';
import { Asker } from './ask.ts';
import { Chat } from './chat.ts';
import { Crowd } from './crowd.ts';
import { planLoad, type LoadOptions, type LoadPlan } from './options.ts';
import type { LoadReport, LoadSnapshot } from './report.ts';
import { Tally, type Clock } from './tally.ts';

/** A run of load that is going on. */
export interface LoadRun {
  /** Name of this run, of its people and of its rooms. */
  readonly run: string;
  /** Resolves when everybody is signed in and the chat rooms are open: from then on things arrive. */
  readonly ready: Promise<void>;
  /** The counts as they are now. */
  snapshot(): LoadSnapshot;
  /** Resolves when the duration is over and the report is made; the same promise as `stop` returns. */
  readonly finished: Promise<LoadReport>;
  /** Begins nothing more, waits for what is in flight, looks for every message that was acknowledged, and reports. */
  stop(): Promise<LoadReport>;
}

export const systemClock: Clock = { monotonicMs: () => performance.now(), wallMs: () => Date.now() };

/** A timer may be early by a fraction of a millisecond; and a loop that never waits starves what it measures. */
const leastWaitMs = 1;

/**
 * Lets people use the platform and checks every answer they get.
 *
 * @throws LoadOptionsError when an option is not usable, for one a target that is not this machine
 */
export function startLoad(options: LoadOptions, clock: Clock = systemClock): LoadRun {
  const plan = planLoad(options, () => `load-${randomBytes(6).toString('hex')}`);
  const run = new Run(plan, clock);
  return {
    run: plan.run,
    ready: run.ready,
    snapshot: () => run.snapshot(),
    finished: run.finished,
    stop: () => run.stop(),
  };
}

class Run {
  readonly ready: Promise<void>;
  readonly finished: Promise<LoadReport>;
  readonly #plan: LoadPlan;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #tally: Tally;
  // An idle connection is given up by us after 2 s, or a second before the server's own hint: no server that keeps its
  // word closes one under a request of ours, and so every reset counts.
  readonly #agent = new Agent({ keepAlive: true, timeout: 2_000, maxFreeSockets: 256 });
  readonly #crowd: Crowd;
  readonly #chat: Chat;
  readonly #random: Random;
  readonly #pending = new Set<Promise<void>>();
  readonly #report: (report: Promise<LoadReport>) => void;
  #arrivals: Arrivals | null = null;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(plan: LoadPlan, clock: Clock) {
    this.#plan = plan;
    this.#clock = clock;
    this.#startedAt = clock.wallMs();
    this.#tally = new Tally(clock, plan.slowMs);
    this.#random = new Random(plan.seed, 'load');
    const asker = new Asker(plan, clock, this.#tally, this.#agent);
    this.#crowd = new Crowd(plan, clock, this.#tally, asker, this.#random);
    this.#chat = new Chat(plan, clock, this.#tally, asker, this.#random);
    const { promise, resolve } = Promise.withResolvers<LoadReport>();
    this.finished = promise;
    this.#report = resolve;
    this.ready = this.#begin();
    this.ready.catch((error: unknown) => resolve(Promise.reject(error)));
  }

  snapshot(): LoadSnapshot {
    return {
      ...this.#tally.counts(),
      elapsedSeconds: Math.round(this.#tally.elapsedMs) / 1_000,
      failedByReleases: this.#tally.failedByReleases(),
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

  async #begin(): Promise<void> {
    await this.#crowd.signIn();
    await this.#chat.open();
    if (this.#stopping) return;
    const now = this.#clock.monotonicMs();
    this.#arrivals = new Arrivals(this.#random.stream('arrivals'), this.#plan.rate, now, now + this.#plan.durationMs);
    this.#chat.start(now);
    this.#tick();
  }

  #tick(): void {
    const now = this.#clock.monotonicMs();
    for (const dueMs of this.#arrivals?.takeDue(now) ?? []) {
      const done = this.#crowd.act(dueMs);
      if (done === null) {
        this.#tally.skipped += 1;
        continue;
      }
      const pending = done.finally(() => this.#pending.delete(pending));
      this.#pending.add(pending);
      // What goes wrong inside of the client itself must not pass for a clean run.
      pending.catch((error: unknown) => this.#report(Promise.reject(error)));
    }
    const nextMs = this.#arrivals?.nextMs ?? null;
    if (nextMs === null) void this.stop();
    else this.#timer = setTimeout(() => this.#tick(), Math.max(leastWaitMs, nextMs - this.#clock.monotonicMs()));
  }

  async #finish(): Promise<LoadReport> {
    await Promise.allSettled([this.ready, ...this.#pending]);
    const elapsedSeconds = Math.round(this.#tally.elapsedMs) / 1_000;
    const unchecked = await this.#chat.finish();
    this.#agent.destroy();
    const { host, port } = this.#plan.target;
    return {
      run: this.#plan.run,
      target: `http://${host}:${port}`,
      startedAt: this.#startedAt,
      rate: this.#plan.rate,
      ...this.#tally.counts(),
      elapsedSeconds,
      failedByReleases: this.#tally.failedByReleases(),
      ...this.#tally.details(),
      unchecked,
    };
  }
}
