import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

export type Check = (signal: AbortSignal) => Promise<void>;

interface Dependency {
  readonly name: string;
  readonly critical: boolean;
  state: 'unknown' | 'up' | 'down';
  failures: number;
}

export interface ReadinessOptions {
  readonly log: Log;
  readonly metrics: Metrics;
  /** time between two checks of a dependency, in milliseconds */
  readonly everyMs?: number;
  /** time that one check may take, in milliseconds */
  readonly withinMs?: number;
}

/** So many checks in a row must fail before a dependency that was up counts as down: one slow answer takes nobody out. */
const FAILURES_BEFORE_DOWN = 3;

export interface ReadinessReport {
  readonly ready: boolean;
  readonly draining: boolean;
  readonly dependencies: Readonly<Record<string, 'unknown' | 'up' | 'down'>>;
}

/** Whether a service can do its work: asked of its dependencies in the background, so that `/readyz` costs nothing. */
export class Readiness {
  readonly #dependencies: Dependency[] = [];
  readonly #options: ReadinessOptions;
  readonly #closed = new AbortController();
  readonly #loops: Promise<void>[] = [];
  #draining = false;

  constructor(options: ReadinessOptions) {
    this.#options = options;
    options.metrics.gauge({
      name: 'dependency_up',
      help: 'Whether a dependency answered lately.',
      labels: ['dependency'],
      collect: (gauge) => {
        for (const { name, state } of this.#dependencies) gauge.set({ dependency: name }, state === 'up' ? 1 : 0);
      },
    });
  }

  /** Checks `name` from now on. Without a critical dependency the service is not ready; without another it is degraded. */
  watch(name: string, check: Check, critical: boolean): void {
    const dependency: Dependency = { name, critical, state: 'unknown', failures: 0 };
    this.#dependencies.push(dependency);
    this.#loops.push(this.#ask(dependency, check));
  }

  report(): ReadinessReport {
    const missing = this.#dependencies.some(({ critical, state }) => critical && state !== 'up');
    return {
      ready: !this.#draining && !missing,
      draining: this.#draining,
      dependencies: Object.fromEntries(this.#dependencies.map(({ name, state }) => [name, state])),
    };
  }

  drain(): void {
    this.#draining = true;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all(this.#loops);
  }

  async #ask(dependency: Dependency, check: Check): Promise<void> {
    const { everyMs = 1000, withinMs = 1500 } = this.#options;
    const closed = this.#closed.signal;
    while (!closed.aborted) {
      const late = AbortSignal.timeout(withinMs);
      const signal = AbortSignal.any([closed, late]);
      try {
        await Promise.race([check(signal), rejectedBy(signal)]);
        this.#note(dependency, true);
      } catch (error) {
        if (!closed.aborted) this.#note(dependency, false, error);
      }
      await sleep(everyMs, undefined, { signal: closed, ref: false }).catch(() => undefined);
    }
  }

  #note(dependency: Dependency, isUp: boolean, error?: unknown): void {
    const { log } = this.#options;
    if (isUp) {
      if (dependency.state === 'down') log.info({ dependency: dependency.name, state: 'up' }, 'a dependency is back');
      dependency.state = 'up';
      dependency.failures = 0;
      return;
    }
    dependency.failures += 1;
    if (dependency.state === 'down') return;
    if (dependency.state === 'up' && dependency.failures < FAILURES_BEFORE_DOWN) return;
    dependency.state = 'down';
    log.warn({ dependency: dependency.name, state: 'down', error }, 'a dependency does not answer');
  }
}

/** A check that does not listen to its signal is given up all the same. */
function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const refuse = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error('given up'));
    if (signal.aborted) refuse();
    else signal.addEventListener('abort', refuse, { once: true });
  });
}
