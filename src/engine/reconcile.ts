import type { Ledger } from '../core/rollout/ledger.ts';
import type { SlotRelease } from '../core/rollout/plan.ts';
import type { EnvironmentHands } from './actor.ts';

/**
 * At the start: what is live (or warm) shall run, at the size its release declares, and every route is written under the
 * new lease. What belongs to an active deployment is left to it, what nobody wants to `Leftovers`.
 */
export async function reconcile(hands: EnvironmentHands, ledger: Ledger, signal: AbortSignal): Promise<void> {
  const { slots, parts, routes } = hands;
  const { name } = parts.declared;
  await slots.refresh(signal);
  for (const { environment, service, record } of ledger.records()) {
    if (environment !== name) continue;
    for (const held of [record.live, warmOf(ledger, name, service)]) {
      if (held === null) continue;
      const wanted = slots.service(held.release, service).instances;
      const by = ledger.broughtBy(name, service, held);
      await slots.apply(held.release, service, held.slot, wanted, signal, by);
    }
    routes.refresh(service);
  }
}

/** The old slot that a committed deployment keeps warm; not one that a newer deployment may have begun to use. */
function warmOf(ledger: Ledger, environment: string, service: string): SlotRelease | null {
  const { warm } = ledger.record(environment, service);
  const keeper = ledger.active().find(({ plan, stage }) => {
    return stage === 'warm' && plan.environment === environment && plan.legs.some((leg) => leg.service === service);
  });
  return keeper === undefined ? null : warm;
}
