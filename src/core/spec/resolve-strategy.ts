import type { DurationMs, Percent } from '../units/quantities.ts';
import type { Mirroring, PhaseDeadlines, Strategy, StrategyStep } from './platform.ts';
import { resolveAnalysis } from './resolve-analysis.ts';
import type { DeclaredStrategy } from './schema-strategy.ts';

const ms = (value: number): DurationMs => value as DurationMs;
const percent = (value: number): Percent => value as Percent;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Steps of the guide, 6.2: 5 → 25 → 50, then the switch. */
const CANARY_STEPS = [5, 25, 50].map(percent);

/** What a strategy has to know of the service it is for. */
export interface StrategyContext {
  readonly instances: number;
  /** A person must approve a deployment: preparing waits for people, not for machines. */
  readonly approval: boolean;
  /** Time from the start of an instance until it counts as ready, at most. */
  readonly startupMs: number;
}

/** Fills in what a declared strategy leaves out. */
export function resolveStrategy(declared: DeclaredStrategy, context: StrategyContext): Strategy {
  const keepWarmMs = declared.keepWarm ?? ms(10 * MINUTE);
  const steps = stepsOf(declared, context.instances);
  const mirror = mirrorOf(declared);
  const watchMs = declared.watch ?? ms(5 * MINUTE);
  const deadlines = deadlinesOf(declared, keepWarmMs, context);
  return {
    kind: declared.kind,
    steps,
    mirror,
    holdback: holdbackOf(declared),
    watchMs,
    keepWarmMs,
    minCandidates: declared.minCandidates ?? 1,
    onNew: declared.onNew ?? 'supersede',
    limits: {
      minSuccessPercent: declared.limits?.minSuccess ?? percent(99),
      maxP99Ms: declared.limits?.maxP99 ?? ms(500),
      minRequests: declared.limits?.minRequests ?? 100,
    },
    analysis: resolveAnalysis(declared.analysis, horizonSeconds({ steps, mirror, watchMs, deadlines })),
    deadlines,
  };
}

const LEAST_HORIZON_S = 600;
const LONGEST_HORIZON_S = 6 * 3_600;

/**
 * Seconds of the longest rollout that bets are placed over: every step, the copies and the watch window, and once the time that a step and the
 * switch may wait. One that takes longer is judged by the bets that it has.
 */
function horizonSeconds({
  steps,
  mirror,
  watchMs,
  deadlines,
}: Pick<Strategy, 'steps' | 'mirror' | 'watchMs' | 'deadlines'>): number {
  const holds = steps.reduce((sum, { holdMs }) => sum + holdMs, mirror?.holdMs ?? 0);
  const all = holds + watchMs + deadlines.steppingMs + deadlines.switchedMs;
  return Math.min(LONGEST_HORIZON_S, Math.max(LEAST_HORIZON_S, Math.ceil(all / 1_000)));
}

type DeclaredCanary = Extract<DeclaredStrategy, { kind: 'canary' }>;
export type DeclaredStep = Exclude<DeclaredCanary['steps'], undefined>[number];
type DeclaredMirror = Extract<DeclaredStep, { mirror: unknown }>;

export const isMirror = (step: DeclaredStep): step is DeclaredMirror => typeof step === 'object' && 'mirror' in step;

/** Copies before the first weight; null: none. */
export function mirrorOf(declared: DeclaredStrategy): Mirroring | null {
  const step = declared.kind === 'canary' ? declared.steps?.find(isMirror) : undefined;
  if (step === undefined) return null;
  return { share: step.share ?? percent(100), holdMs: step.mirror, shapes: step.shapes ?? false };
}

/** Share that stays on stable through the watch window. Rolling has none: its old instances are gone. */
export function holdbackOf(declared: DeclaredStrategy): Percent {
  switch (declared.kind) {
    case 'canary':
      return declared.holdback ?? percent(5);
    case 'blue-green':
      return declared.holdback ?? percent(0);
    case 'rolling':
      return percent(0);
  }
}

/** Steps before the switch, which follows them by itself. */
export function stepsOf(declared: DeclaredStrategy, instances: number): readonly StrategyStep[] {
  switch (declared.kind) {
    case 'canary': {
      const hold = declared.hold ?? ms(MINUTE);
      if (declared.steps === undefined) return CANARY_STEPS.map((weight) => ({ weight, holdMs: hold }));
      return declared.steps.flatMap((step) => {
        if (typeof step === 'number') return [{ weight: step, holdMs: hold }];
        return isMirror(step) ? [] : [{ weight: step.weight, holdMs: step.hold ?? hold }];
      });
    }
    case 'blue-green':
      return [];
    case 'rolling': {
      const batch = batchSize(declared.batch, instances);
      return batchWeights(instances, batch).map((weight) => ({ weight, holdMs: declared.hold ?? ms(30 * SECOND) }));
    }
  }
}

function batchSize(batch: (DeclaredStrategy & { kind: 'rolling' })['batch'], instances: number): number {
  if (batch !== undefined && 'instances' in batch) return batch.instances;
  return Math.max(1, Math.ceil(((batch?.percent ?? 25) / 100) * instances));
}

/**
 * Weights after each batch but the last, which is the switch. Rounded down to whole percent: then `ceil(weight × n)` is
 * never more than what is replaced.
 */
function batchWeights(instances: number, batch: number): readonly Percent[] {
  const weights: Percent[] = [];
  for (let replaced = batch; replaced < instances; replaced += batch) {
    const weight = Math.floor((100 * replaced) / instances);
    if (weight > (weights.at(-1) ?? 0)) weights.push(percent(weight));
  }
  return weights;
}

function deadlinesOf(declared: DeclaredStrategy, keepWarmMs: number, context: StrategyContext): PhaseDeadlines {
  const set = declared.deadlines ?? {};
  return {
    preparingMs: set.preparing ?? ms(context.approval ? 24 * HOUR : 10 * MINUTE),
    migratingMs: set.migrating ?? ms(10 * MINUTE),
    // An instance that uses all the time its startup probe gives it must not be cut off by the phase.
    startingMs: set.starting ?? ms(Math.max(10 * MINUTE, context.startupMs + MINUTE)),
    checkingMs: set.checking ?? ms(5 * MINUTE),
    steppingMs: set.stepping ?? ms(Math.max(30 * MINUTE, 2 * longestHold(declared))),
    switchedMs: set.switched ?? ms(MINUTE),
    revertingMs: set.reverting ?? ms(5 * MINUTE),
    retiringMs: set.retiring ?? ms(keepWarmMs + 10 * MINUTE),
    pausedMs: set.paused ?? ms(4 * HOUR),
  };
}

/** The longest time that a step may hold, or the copies, in milliseconds. */
export function longestHold(declared: DeclaredStrategy): number {
  return Math.max(0, mirrorOf(declared)?.holdMs ?? 0, ...stepsOf(declared, 2).map((step) => step.holdMs));
}
