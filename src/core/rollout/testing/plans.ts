import type { ReleaseId } from '../../release/release.ts';
import type { PhaseDeadlines } from '../../spec/platform.ts';
import type { DurationMs } from '../../units/quantities.ts';
import type { DeploymentPlan, GroupPlan, LegPlan } from '../plan.ts';

const ms = (value: number): DurationMs => value as DurationMs;
const release = (name: string): ReleaseId => `rel_${name}` as ReleaseId;

export const testDeadlines: PhaseDeadlines = {
  preparingMs: ms(10_000),
  migratingMs: ms(20_000),
  startingMs: ms(30_000),
  checkingMs: ms(15_000),
  steppingMs: ms(60_000),
  switchedMs: ms(12_000),
  revertingMs: ms(25_000),
  retiringMs: ms(40_000),
  pausedMs: ms(3_600_000),
};

/** A leg from v1 (blue) to v2 (green) with two instances, migrations and smoke tests. */
export const testLeg = (service: string, over: Partial<LegPlan> = {}): LegPlan => ({
  service,
  strategy: 'canary',
  stable: { slot: 'blue', release: release(`${service}-v1`) },
  candidate: { slot: 'green', release: release(`${service}-v2`) },
  instances: 2,
  minCandidates: 1,
  minReady: 1,
  keepWarmMs: 5_000,
  migrations: true,
  smoke: true,
  warm: false,
  ...over,
});

export const canaryGroup = (legs: readonly number[]): GroupPlan => ({
  legs,
  steps: [
    { weight: 5, holdMs: 3_000 },
    { weight: 50, holdMs: 3_000 },
  ],
  holdback: 5,
  watchMs: 4_000,
});

export function testPlan(legs: readonly LegPlan[], over: Partial<DeploymentPlan> = {}): DeploymentPlan {
  const all = legs.map((_, index) => index);
  const order = over.order ?? 'together';
  return {
    id: 'dep_1',
    environment: 'production',
    kind: 'planned',
    order,
    onNew: 'supersede',
    requestedBy: 'ada',
    approval: false,
    idle: 'pause',
    legs,
    groups: order === 'together' ? [canaryGroup(all)] : all.map((index) => canaryGroup([index])),
    deadlines: testDeadlines,
    ...over,
  };
}
