import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { ROUTES, TENANTS } from './faults.ts';

/** What one version of a service answered. */
export interface Answered {
  readonly requests: number;
  readonly failed: number;
}

/** Longer than any deadline of the router. */
const PATIENCE_MS = 20_000;

/** Users of one lane: Poisson arrivals over all routes and tenants, each request on its own, none tried twice. */
export class Users {
  readonly #url: string;
  readonly #rate: number;
  readonly #agent = new Agent({ connections: 64 });
  readonly #stopped = new AbortController();
  readonly #done: Promise<void>;
  #byVersion = new Map<string, { requests: number; failed: number }>();
  #lost = 0;

  /** @param url of the lane, with no slash at its end. @param rate requests a second, in the mean */
  constructor(url: string, rate: number) {
    this.#url = url;
    this.#rate = rate;
    this.#done = this.#run();
  }

  /** Requests without an answer, since it was asked before. */
  takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  /** Answers by version, since it was asked before. */
  take(): ReadonlyMap<string, Answered> {
    const taken = this.#byVersion;
    this.#byVersion = new Map();
    return taken;
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#done;
    await this.#agent.destroy();
  }

  async #run(): Promise<void> {
    let due = performance.now();
    while (!this.#stopped.signal.aborted) {
      due += (-1_000 / this.#rate) * Math.log(1 - Math.random());
      const early = due - performance.now();
      if (early > 1) await sleep(early, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
      void this.#send();
    }
  }

  async #send(): Promise<void> {
    const route = Math.floor(Math.random() * ROUTES);
    const tenant = Math.floor(Math.random() * TENANTS);
    try {
      const { statusCode, headers, body } = await request(`${this.#url}/${route}`, {
        dispatcher: this.#agent,
        headers: { 'x-tenant': String(tenant) },
        headersTimeout: PATIENCE_MS,
        bodyTimeout: PATIENCE_MS,
      });
      await body.dump();
      // The router answers for an instance that does not.
      this.#count(String(headers['x-version'] ?? 'nobody'), statusCode >= 500);
    } catch {
      if (!this.#stopped.signal.aborted) this.#lost += 1;
    }
  }

  #count(version: string, failed: boolean): void {
    const counts = this.#byVersion.get(version) ?? { requests: 0, failed: 0 };
    counts.requests += 1;
    if (failed) counts.failed += 1;
    this.#byVersion.set(version, counts);
  }
}
