import { mergeLatencies, quantile } from '../../core/analysis/histogram.ts';
import type { Replay, ReplayedSecond } from '../../core/analysis/replay.ts';
import { errorsOf } from '../../core/analysis/traffic-minute.ts';
import type { Arm } from '../../core/slot.ts';
import type { ArmSecond, LatencyCounts, MirrorSecond } from '../../core/traffic.ts';
import type { Band } from './svg/chart.ts';
import type { Point } from './svg/thin.ts';

/** Rates and quantiles of a second are those of the seconds up to it: at least so many, more in a long rollout. */
const LEAST_WINDOW = 5;
const STRETCHES = 200;

export interface ArmSeries {
  readonly requestsPerSecond: readonly Point[];
  /** Percent. */
  readonly errors: readonly Point[];
  /** Milliseconds. */
  readonly p50: readonly Point[];
  readonly p99: readonly Point[];
}

export interface LegSeries {
  /** UTC seconds. */
  readonly from: number;
  readonly to: number;
  readonly windowSeconds: number;
  readonly weight: readonly Point[];
  readonly arms: Readonly<Record<Arm, ArmSeries>>;
  /** Evidence by its threshold: from 1 on the candidate is taken back. Combined first. */
  readonly evidence: readonly { readonly metric: string; readonly points: readonly Point[] }[];
  /** Percent of the copies that each arm failed; null when nothing was copied. */
  readonly copies: Readonly<Record<Arm, readonly Point[]>> | null;
  readonly bands: readonly Band[];
  /** Seconds in which the candidate failed anybody. */
  readonly failed: readonly number[];
}

/** The curves of a leg; null when nothing was seen. */
export function seriesOf({ seconds }: Replay): LegSeries | null {
  const [first, last] = [seconds[0], seconds.at(-1)];
  if (first === undefined || last === undefined) return null;
  const windowSeconds = Math.max(LEAST_WINDOW, Math.ceil(seconds.length / STRETCHES));
  const names = new Set(seconds.flatMap(({ evidence }) => (evidence.metrics ?? []).map(({ metric }) => metric)));
  return {
    from: secondOf(first),
    to: secondOf(last) + 1,
    windowSeconds,
    weight: seconds
      .map((one) => ({ x: secondOf(one), y: one.seen.weight }))
      .concat({ x: secondOf(last) + 1, y: last.seen.weight }),
    arms: {
      stable: armSeries(seconds, 'stable', windowSeconds),
      candidate: armSeries(seconds, 'candidate', windowSeconds),
    },
    evidence: [
      {
        metric: 'all together',
        points: seconds.map((one) => ({
          x: endOf(one),
          y: byThreshold(one.evidence.worse, one.evidence.threshold),
        })),
      },
      ...[...names].map((metric) => ({
        metric,
        points: seconds.map((one) => {
          const found = (one.evidence.metrics ?? []).find((candidate) => candidate.metric === metric);
          return { x: endOf(one), y: byThreshold(found?.worse, found?.needed) };
        }),
      })),
    ],
    copies: seconds.some(({ seen }) => (seen.traffic.mirror?.pairs ?? 0) > 0)
      ? {
          stable: copiesOf(seconds, windowSeconds, ({ stableErrors }) => stableErrors),
          candidate: copiesOf(seconds, windowSeconds, ({ candidateErrors }) => candidateErrors),
        }
      : null,
    bands: bandsOf(seconds),
    failed: seconds.filter(({ seen }) => errorsOf(seen.traffic.arms.candidate) > 0).map(secondOf),
  };
}

const secondOf = ({ seen }: ReplayedSecond): number => seen.traffic.second;

/** What a second says is known when it is over. */
const endOf = (one: ReplayedSecond): number => secondOf(one) + 1;

const byThreshold = (value: number | undefined, threshold: number | undefined): number | null =>
  value === undefined || threshold === undefined ? null : value / threshold;

function armSeries(seconds: readonly ReplayedSecond[], arm: Arm, windowSeconds: number): ArmSeries {
  const all = seconds.map(({ seen }) => seen.traffic.arms[arm]);
  const points = (value: (window: readonly ArmSecond[]) => number | null): readonly Point[] =>
    seconds.map((one, index) => ({
      x: endOf(one),
      y: value(all.slice(Math.max(0, index + 1 - windowSeconds), index + 1)),
    }));
  const merged = seconds.map((_, index) =>
    mergeLatencies(latencies(all.slice(Math.max(0, index + 1 - windowSeconds), index + 1))),
  );
  const quantiles = (q: number): readonly Point[] =>
    seconds.map((one, index) => ({ x: endOf(one), y: quantile(merged[index] ?? [], q) }));
  return {
    requestsPerSecond: points((window) => sum(window, ({ requests }) => requests) / window.length),
    errors: points((window) => {
      const requests = sum(window, (one) => one.requests);
      return requests === 0 ? null : (100 * sum(window, errorsOf)) / requests;
    }),
    p50: quantiles(0.5),
    p99: quantiles(0.99),
  };
}

const copiesOf = (
  seconds: readonly ReplayedSecond[],
  windowSeconds: number,
  errors: (mirror: MirrorSecond) => number,
): readonly Point[] =>
  seconds.map((one, index) => {
    const window = seconds
      .slice(Math.max(0, index + 1 - windowSeconds), index + 1)
      .flatMap(({ seen }) => seen.traffic.mirror ?? []);
    const pairs = window.reduce((total, mirror) => total + mirror.pairs, 0);
    const failed = window.reduce((total, mirror) => total + errors(mirror), 0);
    return { x: endOf(one), y: pairs === 0 ? null : (100 * failed) / pairs };
  });

const latencies = (window: readonly ArmSecond[]): readonly LatencyCounts[] => window.map(({ latency }) => latency);

const sum = (window: readonly ArmSecond[], value: (arm: ArmSecond) => number): number =>
  window.reduce((total, one) => total + value(one), 0);

/** Times with the same phase, step and share. */
export function bandsOf(seconds: readonly ReplayedSecond[]): readonly Band[] {
  const bands: Band[] = [];
  let key = '';
  for (const one of seconds) {
    const { phase, step, weight } = one.seen;
    const next = phase === 'stepping' ? `${phase}/${step}` : phase;
    const from = secondOf(one);
    const before = bands.at(-1);
    if (next === key && before !== undefined) {
      bands[bands.length - 1] = {
        ...before,
        to: from + 1,
        label: labelOf(phase, Math.max(weight, share(before.label))),
      };
      continue;
    }
    if (before !== undefined) bands[bands.length - 1] = { ...before, to: from };
    key = next;
    bands.push({ from, to: from + 1, label: labelOf(phase, weight), kind: `b${bands.length % 2} ${phase}` });
  }
  return bands;
}

const share = (label: string): number => Number(/([\d.]+) %$/.exec(label)?.[1] ?? 0);

const labelOf = (phase: string, weight: number): string => {
  if (phase === 'stepping') return `${weight} %`;
  if (phase === 'reverting') return 'going back';
  return weight > 0 && phase !== 'mirroring' ? `${phase} ${weight} %` : phase;
};
