import { bucketOf } from '../../src/core/analysis/histogram.ts';
import { slotKey } from '../../src/core/slot.ts';
import type { ArmSecond, TrafficSecond } from '../../src/core/traffic.ts';
import type { RouteInForce, Router } from '../../src/drivers/router/router.ts';
import type { Runtime, SlotDesire, SlotStatus } from '../../src/drivers/runtime/runtime.ts';

// Drivers that answer at once: what is left to measure is the control plane.

const READY_AFTER_MS = 20;

/** A runtime whose instances are ready after 20 ms. */
export function quickRuntime(): Runtime {
  const slots = new Map<string, SlotStatus>();
  const listeners = new Set<(status: SlotStatus) => void>();
  const tell = (status: SlotStatus): void => {
    slots.set(slotKey(status.ref), status);
    for (const listener of listeners) listener(status);
  };
  const statusOf = (desire: SlotDesire, ready: number): SlotStatus => ({
    ref: desire.ref,
    release: desire.release,
    wanted: desire.instances,
    instances: Array.from({ length: desire.instances }, (_, index) => ({
      id: `${slotKey(desire.ref)}/${index}`,
      state: index < ready ? 'ready' : 'starting',
      address: { host: '127.0.0.1', port: 1 + index },
      pid: 1,
      startedAt: 0,
      restarts: 0,
      reason: null,
    })),
  });
  return {
    machine: '127.0.0.1',
    limitations: async () => [],
    reserve: async () => {},
    apply: async (desire) => {
      const before = slots.get(slotKey(desire.ref));
      const running = before?.release === desire.release ? before.instances.length : 0;
      tell(statusOf(desire, Math.min(running, desire.instances)));
      setTimeout(() => tell(statusOf(desire, desire.instances)), READY_AFTER_MS);
    },
    remove: async (ref) => void slots.delete(slotKey(ref)),
    observe: async () => [...slots.values()],
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    logs: () => {
      throw new Error('not measured here');
    },
    run: async () => 0,
    dismantle: async () => undefined,
    close: async () => {},
  };
}

/** A router that takes every write and has 20 healthy requests a second for each arm. */
export function quickRouter(): Router & { readonly table: ReadonlyMap<string, RouteInForce> } {
  const table = new Map<string, RouteInForce>();
  const arm: ArmSecond = {
    requests: 20,
    serverErrors: 0,
    gatewayErrors: 0,
    clientErrors: 0,
    latency: [[bucketOf(5), 20]],
  };
  return {
    table,
    write: async (stamp, entry) => {
      const written = { stamp, entry };
      table.set(entry.service, written);
      return written;
    },
    remove: async (_, service) => void table.delete(service),
    observe: async () => [...table.values()],
    drain: async () => ({ inFlight: 0, streams: 0 }),
    traffic: async (service, afterSecond) => {
      const last = Math.floor(Date.now() / 1_000) - 1;
      const seconds: TrafficSecond[] = [];
      for (let second = Math.max(afterSecond + 1, last - 60); second <= last; second += 1) {
        seconds.push({ service, second, arms: { stable: arm, candidate: arm } });
      }
      return seconds;
    },
    close: async () => {},
  };
}
