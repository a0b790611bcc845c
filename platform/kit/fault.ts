import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyRequest } from 'fastify';
import planted from './fault.json' with { type: 'json' };
import { Problem } from './problem.ts';

/**
 * A fault that a release can be built with, so that what takes bad releases back can be tried on real ones. It comes with
 * the build (`fault.json`), not from the environment: a bad release is bad code.
 */
export interface Fault {
  /** share of the requests that fail with status 500, 0 to 100 */
  readonly failPercent: number;
  /** how much longer each request takes, in milliseconds */
  readonly slowMs: number;
  /** templates of routes, or beginnings of them that end in `*`; none: every route */
  readonly routes: readonly string[];
  /** none: every service */
  readonly services: readonly string[];
}

/** The fault that this build has. */
export const builtInFault: Fault = planted;

/** What does the fault to a request, or null when there is none to do. Every n-th request fails, so that the share is exact. */
export function faultHook(fault: Fault, service: string): ((request: FastifyRequest) => Promise<void>) | null {
  if (fault.failPercent <= 0 && fault.slowMs <= 0) return null;
  if (fault.services.length > 0 && !fault.services.includes(service)) return null;
  const hits = (route: string): boolean =>
    fault.routes.length === 0 ||
    fault.routes.some((one) => (one.endsWith('*') ? route.startsWith(one.slice(0, -1)) : route === one));
  let owed = 0;
  return async (request) => {
    if (!hits(request.routeOptions.url ?? '')) return;
    if (fault.slowMs > 0) await sleep(fault.slowMs);
    owed += fault.failPercent;
    if (owed < 100) return;
    owed -= 100;
    throw new Problem(500, 'fault', 'This release fails on purpose.');
  };
}
