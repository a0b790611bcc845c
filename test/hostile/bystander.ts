import { setTimeout as sleep } from 'node:timers/promises';
import { barrier } from './fire.ts';
import { residentBytes, type RouterUnderFire } from './routers.ts';

/** An ordinary client that asks again and again while somebody else attacks, and the memory meanwhile. */
export interface Bystander {
  /** Requests that were answered so far. */
  readonly served: number;
  /** Ends it. @returns how it was served, and the most memory that the router had */
  end(): Promise<{
    readonly served: number;
    readonly slowestMs: number;
    readonly failures: readonly string[];
    readonly mostBytes: number;
  }>;
}

/** Milliseconds between two requests of the bystander. */
const pauseMs = 40;

export function startBystander(router: RouterUnderFire): Bystander {
  const stop = new AbortController();
  const failures: string[] = [];
  let [served, slowestMs, mostBytes] = [0, 0, 0];
  const work = (async () => {
    const pids = await router.pids();
    while (!stop.signal.aborted) {
      const began = performance.now();
      try {
        await barrier(router);
        served += 1;
      } catch (error) {
        failures.push(String(error));
      }
      slowestMs = Math.max(slowestMs, performance.now() - began);
      mostBytes = Math.max(mostBytes, await residentBytes(pids));
      await sleep(pauseMs);
    }
  })();
  return {
    get served() {
      return served;
    },
    async end() {
      stop.abort();
      await work;
      return { served, slowestMs, failures, mostBytes };
    },
  };
}
