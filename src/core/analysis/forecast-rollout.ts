import type { DeploymentPlan, GroupPlan, LegPlan } from '../rollout/plan.ts';
import {
  foundBy,
  secondsToFind,
  secondsWhenWell,
  smallestFaults,
  type ExpectedTraffic,
  type Stage,
} from './forecast.ts';
import type { TrafficOutlook } from './forecast-traffic.ts';
import type { JudgeSettings } from './judge.ts';
import { settingsOf } from './settings.ts';

/** A time of the rollout, from the start of its instances to the end of the watch window. */
export interface StageForecast {
  readonly name: 'mirroring' | 'step' | 'watch';
  /** Percent for the candidate; of copies while mirroring. */
  readonly weight: number;
  /** Observed milliseconds that it lasts at most when nothing is wrong. */
  readonly holdMs: number;
  /** What it takes in a typical hour if the release is as good as stable; null without history. */
  readonly wellMs: number | null;
  /** Share of failing requests from which on a fault is found by its end with 90 % probability; null: none is, or nothing is known. */
  readonly smallest: Readonly<Record<Hour, number | null>>;
}

export type Hour = 'typical' | 'quiet';

/** How soon a release that fails such a share of its requests from the first one on is found. */
export interface FaultForecast {
  readonly share: number;
  /** Seconds after the first user of the candidate, in half of the cases; null: not before the commit. */
  readonly seconds: Readonly<Record<Hour, number | null>>;
}

export interface RolloutForecast {
  readonly stages: readonly StageForecast[];
  readonly faults: readonly FaultForecast[];
  /** All stages in full, in milliseconds. */
  readonly holdsMs: number;
  /** All stages when the release is as good as stable, in a typical hour; null without history. */
  readonly wellMs: number | null;
  /** When it is given up at the latest, if nobody pauses it. */
  readonly atMostMs: number;
  readonly warnings: readonly ForecastWarning[];
}

export interface ForecastWarning {
  readonly code: 'no-comparison' | 'slow-to-see' | 'starves' | 'blind-step';
  readonly text: string;
  /** What could be done, one way a line. */
  readonly instead: readonly string[];
}

/** Faults that one wants to know about. */
const SHARES = [0.01, 0.05, 0.2, 1] as const;
const PROBABILITY = 0.9;
/** What every rollout should find before it commits. */
const WISH = 0.05;
const LONGEST_WATCH_SECONDS = 86_400;
/** That are proposed instead of a lower one. */
const WEIGHTS = [10, 25, 50] as const;
const HALF = 50;
const WINDOW_SLACK = 2;
const WINDOW_SLACK_MS = 60_000;

export interface RolloutOutlook {
  readonly plan: Pick<DeploymentPlan, 'approval' | 'idle' | 'deadlines'>;
  readonly group: GroupPlan;
  readonly leg: Pick<LegPlan, 'stable' | 'migrations' | 'smoke' | 'mirror'>;
  readonly settings: JudgeSettings;
  /** Null: nothing is known. */
  readonly traffic: TrafficOutlook | null;
}

/** What a deployment of one service will be like: how long it takes, and what it can see at which stage. */
export function forecastRollout(outlook: RolloutOutlook): RolloutForecast {
  const { group, leg, traffic, settings } = outlook;
  const isFirst = leg.stable === null;
  const steps = isFirst ? [] : group.steps;
  const mirrorMs = isFirst || (leg.mirror ?? null) === null ? 0 : (group.mirror?.holdMs ?? 0);
  const weights: readonly Stage[] = [
    ...steps.map(({ weight, holdMs }) => ({ weight, seconds: holdMs / 1_000 })),
    { weight: isFirst ? 100 : 100 - group.holdback, seconds: group.watchMs / 1_000 },
  ];
  const nothing = weights.map(() => null);
  const smallestIn = (hour: Hour): readonly (number | null)[] =>
    traffic === null || isFirst
      ? nothing
      : smallestFaults(settings, traffic[hour], lasting(outlook, traffic[hour], weights), PROBABILITY);
  const smallest = { typical: smallestIn('typical'), quiet: smallestIn('quiet') };
  const well = traffic === null ? null : wellMs(outlook, weights, traffic.typical);
  const shared = (index: number): StageForecast['smallest'] => ({
    typical: smallest.typical[index] ?? null,
    quiet: smallest.quiet[index] ?? null,
  });
  const stages: StageForecast[] = [
    ...(mirrorMs > 0
      ? [
          {
            name: 'mirroring' as const,
            weight: leg.mirror?.share ?? 0,
            holdMs: mirrorMs,
            wellMs: traffic === null ? null : mirrorMs,
            smallest: { typical: null, quiet: null },
          },
        ]
      : []),
    ...weights.map(({ weight, seconds }, index): StageForecast => ({
      name: index < steps.length ? 'step' : 'watch',
      weight,
      holdMs: seconds * 1_000,
      wellMs: well?.[index] ?? null,
      smallest: shared(index),
    })),
  ];
  return {
    stages,
    faults: SHARES.map((share) => ({
      share,
      seconds: { typical: found(outlook, weights, share, 'typical'), quiet: found(outlook, weights, share, 'quiet') },
    })),
    holdsMs: stages.reduce((sum, { holdMs }) => sum + holdMs, 0),
    wellMs: well === null ? null : mirrorMs + well.reduce((sum, ms) => sum + ms, 0),
    atMostMs: atMost(outlook, mirrorMs, steps.length === 0 ? [] : steps),
    warnings: traffic === null || isFirst ? [] : warningsOf(outlook, traffic, weights),
  };
}

/** Seconds until half of such faults are found; null: not before the commit, or nothing is known. */
function found(outlook: RolloutOutlook, weights: readonly Stage[], share: number, hour: Hour): number | null {
  const { traffic, leg, settings } = outlook;
  if (traffic === null || leg.stable === null) return null;
  return secondsToFind(settings, traffic[hour], lasting(outlook, traffic[hour], weights), share, 0.5);
}

/** Stages as long as they last without a verdict: a step counts seconds that had a request, up to its deadline. */
const lasting = ({ plan }: RolloutOutlook, traffic: ExpectedTraffic, weights: readonly Stage[]): readonly Stage[] =>
  weights.map((stage, index) =>
    index === weights.length - 1 || plan.idle !== 'pause'
      ? stage
      : {
          ...stage,
          seconds: Math.min(stage.seconds / busy(traffic, stage), stage.seconds + plan.deadlines.steppingMs / 1_000),
        },
  );

/** Each stage when the release is as good as stable: steps end early, and wait for traffic where that is what they need. */
function wellMs(
  { plan, settings, leg }: RolloutOutlook,
  weights: readonly Stage[],
  traffic: ExpectedTraffic,
): readonly number[] {
  if (leg.stable === null) return weights.map(() => 0);
  const steps = weights.slice(0, -1);
  const watch = weights.at(-1)?.seconds ?? 0;
  const early = secondsWhenWell(settings, traffic, steps);
  return [
    ...steps.map((step, index) => {
      const seconds = early[index] ?? step.seconds;
      // A step that is not ended by a verdict lasts its time in seconds that had a request.
      return 1_000 * (plan.idle === 'pause' && seconds >= step.seconds ? seconds / busy(traffic, step) : seconds);
    }),
    1_000 * watch,
  ];
}

/** Share of the seconds in which the candidate has a request, when they come independently. */
const busy = (traffic: ExpectedTraffic, { weight }: Stage): number =>
  Math.max(1e-6, 1 - Math.exp((-traffic.requestsPerSecond * weight) / 100));

/** The sum of the deadlines that a deployment passes without a pause. */
function atMost({ plan, group, leg }: RolloutOutlook, mirrorMs: number, steps: GroupPlan['steps']): number {
  const { deadlines, approval } = plan;
  return (
    (approval ? Math.max(deadlines.preparingMs, deadlines.pausedMs) : deadlines.preparingMs) +
    (leg.migrations ? deadlines.migratingMs : 0) +
    deadlines.startingMs +
    (leg.smoke ? deadlines.checkingMs : 0) +
    (mirrorMs > 0 ? mirrorMs + deadlines.steppingMs : 0) +
    steps.reduce((sum, { holdMs }) => sum + holdMs + deadlines.steppingMs, 0) +
    deadlines.switchedMs +
    (leg.stable === null ? 0 : group.watchMs * WINDOW_SLACK + WINDOW_SLACK_MS)
  );
}

function warningsOf(
  outlook: RolloutOutlook,
  { quiet }: TrafficOutlook,
  declared: readonly Stage[],
): readonly ForecastWarning[] {
  const { settings, group, plan } = outlook;
  const weights = lasting(outlook, quiet, declared);
  const warnings: ForecastWarning[] = [];
  if (weights.every(({ weight }) => weight === 100))
    warnings.push({
      code: 'no-comparison',
      text: 'All traffic moves at once, so there is nothing to compare with but the last hour: that is weaker, and a change of the traffic looks like a fault.',
      instead: ['a holdback of 5 % (`holdback: 5`) keeps something to compare with', "`kind: 'canary'`"],
    });
  const end = weights.reduce((sum, { seconds }) => sum + seconds, 0);
  if (foundBy(settings, quiet, weights, WISH, end) < PROBABILITY) warnings.push(slowToSee(outlook, quiet, weights));
  const [first] = declared;
  const starves = (step: Stage): boolean =>
    step.seconds / busy(quiet, step) > step.seconds + plan.deadlines.steppingMs / 1_000;
  const starving = plan.idle === 'pause' ? declared.slice(0, -1).find(starves) : undefined;
  if (starving !== undefined) {
    const enough = WEIGHTS.find((weight) => weight > starving.weight && !starves({ ...starving, weight }));
    warnings.push({
      code: 'starves',
      text: `At ${starving.weight} % of ${rateText(quiet)} the candidate has too few requests to fill its ${starving.seconds} s before the deadline of the step: in a quiet hour the rollout would wait for a person, then be taken back.`,
      instead: [
        ...(enough === undefined ? [] : [`a weight of ${enough} % is enough: \`steps: [${enough}, …]\``]),
        JOURNEYS,
      ],
    });
  }
  if (
    first !== undefined &&
    weights.length > 1 &&
    group.steps.length > 0 &&
    foundBy(settings, quiet, weights, 1, weights[0]?.seconds ?? 0) < PROBABILITY
  ) {
    const enough = WEIGHTS.find(
      (weight) =>
        weight > first.weight && foundBy(settings, quiet, [{ ...first, weight }], 1, first.seconds) >= PROBABILITY,
    );
    warnings.push({
      code: 'blind-step',
      text: `In a quiet hour (${rateText(quiet)}) the first step is blind: a release that fails every request may pass its ${first.seconds} s at ${first.weight} %.`,
      instead: [
        ...(enough === undefined ? [] : [`a first weight of ${enough} % sees that: \`steps: [${enough}, …]\``]),
        JOURNEYS,
        'deploy in a busier hour',
      ],
    });
  }
  return warnings;
}

const JOURNEYS = '`journeys`: synthetic users on both releases, which need no traffic';

function slowToSee({ settings }: RolloutOutlook, quiet: ExpectedTraffic, weights: readonly Stage[]): ForecastWarning {
  const before = weights.slice(0, -1);
  const watch = weights.at(-1) ?? { weight: 100, seconds: 0 };
  const passed = before.reduce((sum, { seconds }) => sum + seconds, 0);
  const isFound = (seconds: number, judge = settings): boolean =>
    foundBy(judge, quiet, [...before, { ...watch, seconds }], WISH, passed + seconds) >= PROBABILITY;
  const instead: string[] = [];
  if (isFound(LONGEST_WATCH_SECONDS)) {
    let [short, long] = [watch.seconds, LONGEST_WATCH_SECONDS];
    while (long - short > 60) {
      const middle = (short + long) / 2;
      if (isFound(middle)) long = middle;
      else short = middle;
    }
    instead.push(`a longer watch window: \`watch: '${Math.ceil(long / 60)}m'\` is enough`);
  }
  const fast = { ...settings, analysis: { ...settings.analysis, ...pick(settingsOf('fast')) } };
  if (settings.analysis.word !== 'fast' && isFound(watch.seconds, fast))
    instead.push("`analysis: 'fast'` is enough, with more false alarms");
  if (
    watch.weight > HALF &&
    foundBy(settings, quiet, [...before, { ...watch, weight: HALF }], WISH, passed + watch.seconds) >= PROBABILITY
  )
    instead.push(`\`holdback: ${HALF}\` is enough: stable keeps half of the traffic until the commit`);
  const all = smallestFaults(settings, quiet, weights, PROBABILITY).at(-1) ?? null;
  return {
    code: 'slow-to-see',
    text: `In a quiet hour (${rateText(quiet)}) there is too little traffic: ${
      all === null
        ? 'not even a release that fails every request is surely found before it commits'
        : `a release is surely found before it commits only if it fails ${shareText(all)} or more of its requests`
    }.`,
    instead: [...instead, JOURNEYS],
  };
}

const pick = ({ word, alpha, beta, margin, bakeSeconds }: JudgeSettings['analysis']) => ({
  word,
  alpha,
  beta,
  margin,
  bakeSeconds,
});

const rateText = ({ requestsPerSecond }: ExpectedTraffic): string =>
  `${requestsPerSecond >= 10 ? Math.round(requestsPerSecond) : Number(requestsPerSecond.toPrecision(2))} requests/s`;

/** `0.4 %`, `12 %`: two digits are more than a forecast knows. */
export const shareText = (share: number): string => `${Number((100 * share).toPrecision(2))} %`;
