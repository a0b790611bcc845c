import { freePort } from '../../../src/system/free-port.ts';
import { plainEdge, type RouteTableEntry } from '../../../src/core/route-table.ts';
import type { Slot } from '../../../src/core/slot.ts';
import type { Router } from '../../../src/drivers/router/router.ts';
import type { Slotful } from '../fleet.ts';
import type { LossRouter } from './router.ts';

/** Milliseconds for what is in flight before streams are told. */
const drainMs = 1_500;

/** What a driver of ours does not have in its interface. */
export interface Around {
  readonly name: string;
  readonly port: number;
  readonly replacement: string;
  readonly killed: string;
  replace(signal: AbortSignal): Promise<void>;
  kill(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/** A router driver of ours, used as the engine uses it: the table is written, the old slot drained, then stopped. */
export async function startDriver(
  router: Router,
  around: Around,
  first: Slotful,
  signal: AbortSignal,
  service = 'web',
  hosts: readonly string[] = [],
): Promise<LossRouter> {
  const internalPort = await freePort('127.0.0.1', 0);
  let version = 0;
  let stable: Slot = 'blue';
  const write = async (slots: Partial<Record<Slot, Slotful>>): Promise<void> => {
    version += 1;
    // The brands of durations say no more than that these are milliseconds.
    const entry = {
      service,
      public: { hosts, paths: ['/'], sticky: false, canaryHeader: null },
      internalPort,
      proxy: { responseTimeoutMs: 30_000, idleTimeoutMs: 60_000, maxBodyBytes: null, drainMs },
      edge: plainEdge,
      stable,
      candidateWeight: 0,
      endpoints: { blue: slots.blue?.endpoints ?? [], green: slots.green?.endpoints ?? [] },
      releases: { blue: slots.blue?.version ?? null, green: slots.green?.version ?? null },
    } as unknown as RouteTableEntry;
    await router.write({ epoch: 1, version }, entry, signal);
  };
  await write({ blue: first });
  return {
    name: around.name,
    port: around.port,
    practice: {
      deployment: 'as the engine does: both slots in the table, the other one stable, the old one out, drained',
      replacement: around.replacement,
      kill: around.killed,
    },
    async move(from, to, signal) {
      const [before, after]: readonly [Slot, Slot] = stable === 'blue' ? ['blue', 'green'] : ['green', 'blue'];
      await write({ [before]: from, [after]: to });
      stable = after;
      await write({ [before]: from, [after]: to });
      await write({ [after]: to });
      const ids = from.endpoints.map(({ id }) => id);
      // What is left has had its time, and is reset with the instance, as the engine does it.
      await router.drain(service, ids, drainMs, signal);
    },
    replace: (now) => around.replace(now),
    kill: (now) => around.kill(now),
    stop: () => around.stop(),
  };
}
