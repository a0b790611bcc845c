import type { EvidenceRecord } from '../../core/analysis/evidence-record.ts';
import type { DeploymentState } from '../../core/rollout/state.ts';
import type { EvidenceBook } from '../../engine/evidence-book.ts';
import { EvidenceNotKeptError, StoreUnavailableError } from '../../errors.ts';

/**
 * What the verdicts of a deployment were computed from: a record for each leg of which one is kept.
 *
 * @throws EvidenceNotKeptError when there is none (any more); StoreUnavailableError when nobody can tell now
 */
export function evidenceOf(
  { plan, legs }: DeploymentState,
  evidence: EvidenceBook,
  stateDir: string,
): readonly EvidenceRecord[] {
  const records = plan.legs.map((_, leg) => evidence.read(plan.id, leg));
  if (records.includes('unavailable')) {
    const hint = '`veza status` says why; it goes on by itself once the cause is gone.';
    throw new StoreUnavailableError(`${stateDir}/evidence.db`, 'it cannot be read', hint);
  }
  const kept = records.filter((record) => record !== null && record !== 'unavailable');
  if (kept.length === 0) {
    throw new EvidenceNotKeptError(
      plan.id,
      legs.some(({ exposed }) => exposed),
    );
  }
  return kept;
}
