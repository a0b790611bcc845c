import type { ServiceRecord } from '../rollout/ledger.ts';
import { isCommitted, type DeploymentState } from '../rollout/state.ts';
import type { Slot } from '../slot.ts';

/**
 * Why a release can get traffic, now or by what is under way: it is `live`; a `candidate` of a deployment; `queued` behind one;
 * in a slot that is kept `warm`; what `rollback` would choose.
 */
export type HolderRole = 'live' | 'candidate' | 'queued' | 'warm' | 'rollback';

/** A release that can get traffic. */
export interface Holder {
  readonly environment: string;
  readonly service: string;
  readonly release: string;
  readonly role: HolderRole;
  /** Where it runs, or shall; null for one that runs nowhere. */
  readonly slot: Slot | null;
  /** The deployment because of which it can; null for none. */
  readonly deployment: string | null;
  /** UTC milliseconds at which this ends by itself; null when it does not, or nobody knows when. */
  readonly until: number | null;
}

export interface ServiceState {
  readonly environment: string;
  readonly service: string;
  readonly record: ServiceRecord;
}

/**
 * Every release that can get traffic without anybody asking for a new deployment, and those that `veza rollback` would go to.
 * One release may be in it several times, once for each reason.
 *
 * @param records of every service that has ever been deployed
 * @param active deployments that have not ended
 */
export function holders(records: Iterable<ServiceState>, active: Iterable<DeploymentState>): readonly Holder[] {
  const states = [...active];
  const found: Holder[] = [];
  for (const { environment, service, record } of records) {
    const held = { environment, service };
    const { live, warm } = record;
    if (live !== null)
      found.push({ ...held, role: 'live', slot: live.slot, release: live.release, deployment: null, until: null });
    if (warm !== null) {
      const keeper = states.find(
        ({ plan, committedAt }) =>
          committedAt !== null && plan.environment === environment && plan.legs.some((leg) => leg.service === service),
      );
      const until = keeper?.warmUntil ?? null;
      found.push({
        ...held,
        role: 'warm',
        slot: warm.slot,
        release: warm.release,
        deployment: keeper?.plan.id ?? null,
        until,
      });
    }
    const before = live === null ? undefined : record.history[1];
    if (before !== undefined)
      found.push({ ...held, role: 'rollback', slot: null, release: before, deployment: null, until: null });
  }
  for (const state of states) {
    const { plan } = state;
    for (const leg of plan.legs) {
      const held = { environment: plan.environment, service: leg.service, deployment: plan.id, until: null };
      const { slot, release } = leg.candidate;
      // A plan that waits is made anew when it is its turn; until then its slots are a guess.
      const isQueued = state.phase === 'pending';
      if (!isCommitted(state))
        found.push({ ...held, role: isQueued ? 'queued' : 'candidate', slot: isQueued ? null : slot, release });
      // Before the commit stable can take everything back. Afterwards it is warm, as the record says.
      if (leg.stable !== null && !isCommitted(state) && !isQueued)
        found.push({ ...held, role: 'live', slot: leg.stable.slot, release: leg.stable.release });
    }
  }
  return found.filter((holder, index) => found.findIndex((other) => sameHolder(holder, other)) === index);
}

/** The same release in the same role: an active deployment names what the record has named already. */
const sameHolder = (a: Holder, b: Holder): boolean =>
  a.environment === b.environment && a.service === b.service && a.release === b.release && a.role === b.role;
