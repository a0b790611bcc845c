import type { DrainProgress } from '../core/route-table.ts';
import type { EndReason } from './flight.ts';
import { progressOf, type ServiceState } from './service-state.ts';
import type { Upstream } from './upstream.ts';

/** Milliseconds that streams have after they were told; then what is left is reported and reset. */
const afterTellingMs = 5_000;

/**
 * Waits until nothing is in flight to some instances; tells long streams after `drainMs`; ends what is left 5 s later.
 *
 * @returns what was left, before it was ended: zeros when all ended by themselves
 * @throws when the signal aborts; the instances stay as they are
 */
export async function drain(
  service: ServiceState,
  instances: ReadonlySet<string>,
  drainMs: number,
  signal: AbortSignal,
): Promise<DrainProgress> {
  const upstreams = service.upstreamsOf(instances);
  const idle = Promise.all(upstreams.map((upstream) => upstream.idle())).then((): true => true);
  if (await within(idle, drainMs, signal)) return { inFlight: 0, streams: 0 };
  tellStreams(upstreams, 'drain');
  if (await within(idle, afterTellingMs, signal)) return { inFlight: 0, streams: 0 };
  const left = progressOf(upstreams);
  for (const upstream of upstreams) for (const flight of upstream.flights()) flight.reset();
  return left;
}

function tellStreams(upstreams: readonly Upstream[], reason: EndReason): void {
  for (const upstream of upstreams) {
    for (const flight of upstream.flights()) if (flight.isStream) flight.tell(reason);
  }
}

/** Whether it happened within the time. Rejects when the signal aborts. */
function within(happens: Promise<true>, ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(() => resolve(false)), ms);
    const aborted = (): void => settle(() => reject(signal.reason));
    const settle = (done: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      done();
    };
    if (signal.aborted) aborted();
    else signal.addEventListener('abort', aborted, { once: true });
    void happens.then(() => settle(() => resolve(true)));
  });
}
