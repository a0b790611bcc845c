import type { DurationMs, Percent } from '../units/quantities.ts';
import type { PhaseDeadlines, Strategy, StrategyStep } from './platform.ts';
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
  return {
    kind: declared.kind,
    steps: stepsOf(declared, context.instances),
    holdback: holdbackOf(declared),
    watchMs: declared.watch ?? ms(5 * MINUTE),
    keepWarmMs,
    minCandidates: declared.minCandidates ?? 1,
    onNew: declared.onNew ?? 'supersede',
    limits: {
      minSuccessPercent: declared.limits?.minSuccess ?? percent(99),
      maxP99Ms: declared.limits?.maxP99 ?? ms(500),
      minRequests: declared.limits?.minRequests ?? 100,
    },
    deadlines: deadlinesOf(declared, keepWarmMs, context),
  };
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
      return declared.steps.map((step) =>
        typeof step === 'number' ? { weight: step, holdMs: hold } : { weight: step.weight, holdMs: step.hold ?? hold },
      );
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

/** The longest time that a step may hold, in milliseconds. */
export function longestHold(declared: DeclaredStrategy): number {
  return Math.max(0, ...stepsOf(declared, 2).map((step) => step.holdMs));
}
