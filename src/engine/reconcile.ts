import type { Ledger } from '../core/rollout/ledger.ts';
import { slotKey } from '../core/slot.ts';
import type { EnvironmentHands } from './actor.ts';

/**
 * At the start: what is live (or warm) shall run, at the size its release declares; what no deployment knows is removed;
 * what belongs to an active deployment is left to it. Then every route is written under the new lease.
 */
export async function reconcile(hands: EnvironmentHands, ledger: Ledger, signal: AbortSignal): Promise<void> {
  const { slots, parts, routes } = hands;
  const { name } = parts.declared;
  const statuses = await slots.refresh(signal);
  const known = new Set<string>();
  for (const state of ledger.active()) {
    if (state.plan.environment !== name) continue;
    for (const leg of state.plan.legs) {
      for (const slot of ['blue', 'green'] as const) known.add(slotKey(slots.ref(leg.service, slot)));
    }
  }
  for (const { environment, service, record } of ledger.records()) {
    if (environment !== name) continue;
    for (const held of [record.live, record.warm]) {
      if (held === null) continue;
      known.add(slotKey(slots.ref(service, held.slot)));
      const wanted = slots.service(held.release, service).instances;
      await slots.apply(held.release, service, held.slot, wanted, signal);
    }
    routes.refresh(service);
  }
  for (const { ref } of statuses) {
    if (ref.environment === name && !known.has(slotKey(ref))) await slots.remove(ref.service, ref.slot, signal);
  }
}
