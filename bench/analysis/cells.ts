import type { AnalysisWord } from '../../src/core/analysis/settings.ts';
import type { Latency } from './samplers.ts';

/** One kind of rollout, simulated many times. Times are seconds since the first exposure; before that they are negative. */
export interface Cell {
  readonly name: string;
  readonly group: 'grid' | 'healthy' | 'faulty' | 'latency' | 'words';
  /** The candidate is not worse, by the null hypothesis of the judge: every roll-back is a false alarm. */
  readonly healthy: boolean;
  /** From the first second on the candidate's errors are more by more than the margin of promotion: calling it "not worse" is an error. */
  readonly beyondMargin: boolean;
  readonly word: AnalysisWord;
  readonly seconds: number;
  /** When the fault begins, 0 for at once. Later ones begin up to 59 seconds later still, so that they do not keep step with anybody's minutes. */
  readonly faultAt: number;
  /** Requests a second, both arms together. */
  readonly rate: (at: number) => number;
  /** Share of the requests that the candidate gets. */
  readonly weight: (at: number) => number;
  /** Share of stable's requests that fail. */
  readonly stable: (at: number) => number;
  /** The same of the candidate; `since` is the time since the fault began. */
  readonly candidate: (at: number, since: number) => number;
  /** Requests that come and fail together, on average: 1 for none. */
  readonly together: number;
  /** Null: no latencies are simulated. */
  readonly latency: {
    readonly stable: (at: number) => readonly Latency[];
    readonly candidate: (at: number, since: number) => readonly Latency[];
  } | null;
  /** Of how many of the rollouts of the others this one is simulated with. */
  readonly share: number;
  /** The weight, where it is the same all along and so are both error rates: there the bound of information theory is known. */
  readonly constant: {
    readonly rate: number;
    readonly weight: number;
    readonly p: number;
    readonly stable: number;
  } | null;
}

const STABLE = 0.001;
const HOUR = 3_600;
const QUARTER = 900;

const always =
  (value: number): (() => number) =>
  () =>
    value;

const plain: Omit<Cell, 'name' | 'group'> = {
  healthy: true,
  beyondMargin: false,
  word: 'balanced',
  seconds: QUARTER,
  faultAt: 0,
  rate: always(100),
  weight: always(0.05),
  stable: always(STABLE),
  candidate: always(STABLE),
  together: 1,
  latency: null,
  share: 1,
  constant: null,
};

/** Weights of a rollout in equal steps. */
const ramp =
  (...percents: readonly number[]): ((at: number) => number) =>
  (at) =>
    (percents[Math.min(percents.length - 1, Math.max(0, Math.floor((at / QUARTER) * percents.length)))] ?? 0) / 100;

const steps = ramp(5, 25, 50, 95);

/** Both versions drift from 0.1 % to 0.5 % in a quarter of an hour, in steps of 10 s. */
const drifting = (at: number): number => 0.001 + 0.004 * Math.min(1, Math.max(0, Math.floor(at / 10) / 90));

/** A day in an hour: from 20 to 180 requests a second and back, in steps of 10 s. */
const day = (at: number): number => 100 * (1 + 0.8 * Math.sin((2 * Math.PI * Math.floor(at / 10)) / 360));
const failingWithLoad = (at: number): number => 0.001 * (1 + 0.5 * Math.sin((2 * Math.PI * Math.floor(at / 10)) / 360));

const incident = (at: number): number => (at >= 120 && at < 720 ? 0.03 : STABLE);

const healthy = (name: string, what: Partial<Cell>): Cell => ({ ...plain, name, group: 'healthy', ...what });

/** A candidate that fails `p` of its requests from the beginning of the fault on. */
const faulty = (name: string, p: number, what: Partial<Cell>): Cell => ({
  ...plain,
  name,
  group: 'faulty',
  healthy: false,
  beyondMargin: p > STABLE + 0.005 && (what.faultAt ?? 0) === 0,
  seconds: HOUR,
  candidate: (at, since) => (since >= 0 ? p : (what.stable ?? plain.stable)(at)),
  ...what,
});

const grid: readonly Cell[] = [0.05, 0.25].flatMap((weight) =>
  [0.005, 0.01, 0.05, 0.2, 1].map((p) =>
    faulty(`w ${weight * 100} %, p ${p * 100} %`, p, {
      group: 'grid',
      weight: always(weight),
      constant: { rate: 100, weight, p, stable: STABLE },
    }),
  ),
);

const healthyCells: readonly Cell[] = [
  healthy('steady, w 5 %, one hour', { seconds: HOUR }),
  healthy('steady, w 25 %', { weight: always(0.25) }),
  healthy('ramp 5, 25, 50, 95 %', { weight: steps }),
  healthy('drift 0.1 to 0.5 %, ramp', { weight: ramp(5, 10, 25, 50), stable: drifting, candidate: drifting }),
  healthy('bursts of 5, w 5 %', { together: 5 }),
  healthy('bursts of 5, ramp', { together: 5, weight: steps }),
  healthy('shared incident of 3 %, w 5 %', { stable: incident, candidate: incident }),
  healthy('shared incident of 3 %, ramp', { stable: incident, candidate: incident, weight: steps }),
  healthy('a day in an hour, ramp', {
    rate: day,
    weight: steps,
    stable: failingWithLoad,
    candidate: failingWithLoad,
  }),
  healthy('1 request/s, w 25 %', { rate: always(1), weight: always(0.25), seconds: HOUR }),
  healthy('1 request/s, w 5 %', { rate: always(1), seconds: HOUR }),
  healthy('10 requests/s, w 5 %', { rate: always(10) }),
  healthy('boundary, 1.5 times 0.1 %, w 5 %', { candidate: always(1.5 * STABLE) }),
  healthy('boundary, 1.5 times 0.1 %, w 25 %', { candidate: always(1.5 * STABLE), weight: always(0.25) }),
  healthy('boundary, 1.5 times 2 %, w 25 %', {
    stable: always(0.02),
    candidate: always(0.03),
    weight: always(0.25),
  }),
  healthy('both at 0.9 %, near the limit of 1 %, w 5 %', { stable: always(0.009), candidate: always(0.009) }),
];

const faultyCells: readonly Cell[] = [
  faulty('p 5 % from 5 min on, w 5 %', 0.05, { faultAt: 300 }),
  faulty('p 5 % from 20 min on, w 5 %', 0.05, { faultAt: 1_200, share: 0.5 }),
  faulty('p 20 % from 20 min on, w 25 %', 0.2, { faultAt: 1_200, weight: always(0.25), share: 0.5 }),
  faulty('p 1 %, ramp', 0.01, { weight: steps }),
  faulty('p grows to 5 % in 10 min, w 5 %', 0.05, {
    beyondMargin: false,
    candidate: (_, since) => STABLE + (0.05 - STABLE) * Math.min(1, Math.max(0, Math.floor(since / 5) / 120)),
  }),
  faulty('p 5 % under bursts of 5, w 5 %', 0.05, { together: 5 }),
  faulty('p 20 % under bursts of 5, w 5 %', 0.2, { together: 5 }),
  faulty('p 20 %, 1 request/s, w 25 %', 0.2, { rate: always(1), weight: always(0.25) }),
  faulty('p 20 %, 10 requests/s, w 5 %', 0.2, { rate: always(10) }),
  faulty('p 20 % while both have an incident of 3 %, w 5 %', 0.2, {
    faultAt: 120,
    stable: incident,
    candidate: (at, since) => (since >= 0 ? 0.2 : incident(at)),
  }),
];

const usual: Latency = { share: 1, medianMs: 40, sigma: 0.6, plusMs: 0 };
const slower = (times: number): readonly Latency[] => [{ ...usual, medianMs: 40 * times }];
/** Both versions get slower by half in a quarter of an hour, minute by minute. */
const driftingLatency = (at: number): readonly Latency[] =>
  slower(1 + 0.5 * Math.min(1, Math.max(0, Math.floor(at / 60) / 15)));

/** Everything five times slower for five minutes, which is beyond the hard limit for one request in twelve. */
const slowIncident = (at: number): readonly Latency[] => slower(at >= 300 && at < 600 ? 5 : 1);

const latencyCell = (name: string, candidate: readonly Latency[], what: Partial<Cell>): Cell => ({
  ...plain,
  name,
  group: 'latency',
  latency: { stable: () => [usual], candidate: (_, since) => (since >= 0 ? candidate : [usual]) },
  share: 0.05,
  ...what,
});

const latencyCells: readonly Cell[] = [
  latencyCell('latency, healthy, ramp', [usual], { weight: steps }),
  latencyCell('latency, both drift to 1.5 times, ramp', [usual], {
    weight: steps,
    latency: { stable: driftingLatency, candidate: driftingLatency },
  }),
  latencyCell('latency, shared incident of 5 times, ramp', [usual], {
    weight: steps,
    latency: { stable: slowIncident, candidate: slowIncident },
  }),
  latencyCell('latency, boundary: 1.1 times, w 25 %', slower(1.1), { weight: always(0.25) }),
  latencyCell('latency, everything 1.2 times, w 5 %', slower(1.2), { healthy: false }),
  latencyCell('latency, everything 1.5 times, w 5 %', slower(1.5), { healthy: false }),
  latencyCell(
    'latency, 5 % of requests +500 ms, w 5 %',
    [
      { ...usual, share: 0.95 },
      { ...usual, share: 0.05, plusMs: 500 },
    ],
    { healthy: false },
  ),
];

const wordCells: readonly Cell[] = (['careful', 'balanced', 'fast'] as const).flatMap((word) => [
  ...[10, 100, 400].map((rate) =>
    faulty(`${word}: p 5 %, ${rate} requests/s, w 5 %`, 0.05, {
      group: 'words',
      word,
      rate: always(rate),
      share: 0.25,
      constant: { rate, weight: 0.05, p: 0.05, stable: STABLE },
    }),
  ),
  {
    ...healthy(`${word}: boundary, w 25 %`, { word, candidate: always(1.5 * STABLE), weight: always(0.25) }),
    group: 'words' as const,
  },
]);

export const CELLS: readonly Cell[] = [...grid, ...healthyCells, ...faultyCells, ...latencyCells, ...wordCells];
