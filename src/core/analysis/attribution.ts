import { addMoments, dispersionOf, noMoments } from './dispersion.ts';
import { discoveries } from './discoveries.ts';
import type { ArmCounts } from './event-evidence.ts';
import type { EvidenceRecord } from './evidence-record.ts';
import { excessOf, type Excess } from './excess.ts';
import { BLOCK_SECONDS, routeBlocks, type RouteBlock } from './route-blocks.ts';
import {
  countsOf,
  kindOf,
  openEvents,
  openSlow,
  routeDispersion,
  routeEvidence,
  slowEvidence,
  watchEvents,
  watchSlow,
  type RouteKind,
  type RouteRules,
  type RouteWatch,
  type SlowWatch,
} from './route-watch.ts';
import type { MetricTotals } from './verdict.ts';

/** Of the routes that are called found, at most this share is innocent, on average. */
export const FALSE_DISCOVERY_RATE = 0.05;

/** A route of the candidate that may carry what is wrong with it. */
export interface RouteFinding extends Excess {
  /** `GET /orders/:id` */
  readonly route: string;
  /** `differs`: copies of the mirror whose answers were not as stable's; counted, not tested. */
  readonly kind: RouteKind | 'differs';
  /** `suspected`: it looks like it, and chance among so many routes is not excluded. */
  readonly certainty: 'found' | 'suspected';
  /** E-value that the candidate is worse on this route; null where nothing could be compared. */
  readonly evidence: number | null;
  readonly candidate: MetricTotals;
  readonly stable: MetricTotals;
  /** Of the candidate: how many of which status. Empty for what is slow or differs. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Slow is what takes longer than this; null for other kinds. */
  readonly slowerThanMs: number | null;
}

export interface Attribution {
  /** What is found by excess, then what is suspected by evidence. */
  readonly routes: readonly RouteFinding[];
  /** Routes and kinds that were tested at once. */
  readonly tested: number;
  /** False: the router did not count by route. */
  readonly counted: boolean;
}

interface RouteState {
  readonly errors: RouteWatch;
  readonly clientErrors: RouteWatch;
  readonly slow: SlowWatch;
  readonly statuses: Record<string, number>;
}

/**
 * Which routes carry the excess of the candidate. Each route and kind has an e-process of its own, over short blocks of the same weight
 * and never over pooled totals; false discoveries over all of them are bounded by e-BH. All counts of a leg are used, also those after the
 * verdict: e-values may be looked at whenever one likes.
 *
 * @param metric what the verdict rests on, as `MetricEvidence.metric`; routes that are bad in its way come first. Null: by excess alone
 */
export function attribute(record: EvidenceRecord, metric: string | null = null): Attribution {
  const { analysis } = record.settings;
  const past = record.past.reduce((sum, { errors }) => addMoments(sum, errors), noMoments);
  const rules = {
    delta: analysis.delta,
    allowance: analysis.allowance,
    slower: analysis.slower,
    dispersion: dispersionOf(past),
    burst: analysis.burst,
    horizon: Math.ceil(analysis.horizonSeconds / BLOCK_SECONDS),
  };
  const calm = { ...rules, dispersion: 1, allowance: 0 };
  const blocks = routeBlocks(record.seconds);
  const states = new Map<string, RouteState>();
  for (const { weight, routes } of blocks) {
    for (const [route, arms] of routes) {
      const before = states.get(route) ?? openState();
      for (const [status, count] of Object.entries(arms.candidate.bad))
        before.statuses[status] = (before.statuses[status] ?? 0) + count;
      states.set(route, {
        errors: watchEvents(before.errors, countsOf(arms, 'errors'), weight, rules),
        clientErrors: watchEvents(before.clientErrors, countsOf(arms, 'client-errors'), weight, calm),
        slow: watchSlow(before.slow, arms, weight, calm),
        statuses: before.statuses,
      });
    }
  }
  const shares = sharesOf(blocks);
  const tested = [...states].flatMap(([route, state]) => findingsOf(route, state, shares, rules));
  const found = discoveries(
    // Too few events count as no evidence, as for the judge.
    tested.map(({ evidence, candidate }) =>
      candidate.events >= analysis.minErrors ? (evidence ?? 1) : Math.min(evidence ?? 1, 1),
    ),
    FALSE_DISCOVERY_RATE,
  );
  const findings = tested.map((finding, index): RouteFinding =>
    found.has(index) ? { ...finding, certainty: 'found' } : finding,
  );
  return {
    routes: rank([...findings.filter(isWorthNaming), ...mirrored(record)], metric),
    tested: tested.length,
    counted: blocks.some(({ routes }) => routes.size > 0) || record.seconds.some(hasMirroredRoutes),
  };
}

const openState = (): RouteState => ({
  errors: openEvents(),
  clientErrors: openEvents(),
  slow: openSlow(),
  statuses: {},
});

const isWorthNaming = ({ certainty, evidence, excess, candidate }: RouteFinding): boolean =>
  certainty === 'found' || (candidate.events > 0 && excess > 0 && (evidence === null || evidence > 1));

const hasMirroredRoutes = ({ traffic }: EvidenceRecord['seconds'][number]): boolean =>
  (traffic.mirror?.routes.length ?? 0) > 0;

/** Requests of the candidate by requests of stable, all routes together, by weight. */
function sharesOf(blocks: readonly RouteBlock[]): ReadonlyMap<number, number> {
  const sums = new Map<number, { candidate: number; stable: number }>();
  for (const { weight, routes } of blocks) {
    const sum = sums.get(weight) ?? { candidate: 0, stable: 0 };
    for (const { candidate, stable } of routes.values()) {
      sum.candidate += candidate.requests;
      sum.stable += stable.requests;
    }
    sums.set(weight, sum);
  }
  return new Map([...sums].map(([weight, { candidate, stable }]) => [weight, stable > 0 ? candidate / stable : 0]));
}

function findingsOf(
  route: string,
  state: RouteState,
  shares: ReadonlyMap<number, number>,
  rules: RouteRules,
): readonly RouteFinding[] {
  const slow = slowEvidence(state.slow);
  const events = (kind: 'errors' | 'client-errors', watch: RouteWatch): RouteFinding => ({
    ...described(watch, shares, routeDispersion(watch, kind === 'errors' ? rules : { ...rules, dispersion: 1 })),
    route,
    kind,
    evidence: isCompared(watch) ? routeEvidence(watch) : null,
    statuses: Object.fromEntries(
      Object.entries(state.statuses)
        .filter(([status]) => kindOf(status) === kind)
        .sort(([, a], [, b]) => b - a),
    ),
    slowerThanMs: null,
  });
  return [
    events('errors', state.errors),
    events('client-errors', state.clientErrors),
    {
      ...described(slow.watch, shares, dispersionOf(slow.watch.moments)),
      route,
      kind: 'slow',
      evidence: isCompared(slow.watch) ? slow.evidence : null,
      statuses: {},
      slowerThanMs: slow.fromMs,
    },
  ];
}

const isCompared = (watch: RouteWatch): boolean => watch.bets.seconds > 0;

function described(
  watch: RouteWatch,
  shares: ReadonlyMap<number, number>,
  dispersion: number,
): Pick<RouteFinding, 'certainty' | 'candidate' | 'stable' | 'excess' | 'low' | 'high'> {
  const strata = [...watch.strata];
  const total = (of: (counts: ArmCounts) => number): number => strata.reduce((sum, [, counts]) => sum + of(counts), 0);
  return {
    certainty: 'suspected',
    candidate: { events: total((one) => one.candidateEvents), total: total((one) => one.candidateTotal) },
    stable: { events: total((one) => one.stableEvents), total: total((one) => one.stableTotal) },
    ...excessOf(
      strata.map(([weight, { candidateTotal, candidateEvents, stableTotal, stableEvents }]) => ({
        // A route that stable had no request on has been shared as all others were.
        share: stableTotal > 0 ? candidateTotal / stableTotal : (shares.get(weight) ?? 0),
        candidateEvents,
        stableEvents,
      })),
      dispersion,
    ),
  };
}

/** Routes whose copies were answered otherwise. Only seconds in which some differed may be counted, so nothing is tested. */
function mirrored(record: EvidenceRecord): readonly RouteFinding[] {
  const sums = new Map<string, { pairs: number; different: number }>();
  for (const { traffic } of record.seconds) {
    for (const { route, pairs, different } of traffic.mirror?.routes ?? []) {
      const sum = sums.get(route) ?? { pairs: 0, different: 0 };
      sums.set(route, { pairs: sum.pairs + pairs, different: sum.different + different });
    }
  }
  return [...sums]
    .filter(([, { different }]) => different > 0)
    .map(([route, { pairs, different }]) => ({
      ...excessOf([{ share: 0, candidateEvents: different, stableEvents: 0 }], 1),
      route,
      kind: 'differs',
      certainty: 'suspected',
      evidence: null,
      candidate: { events: different, total: pairs },
      stable: { events: 0, total: pairs },
      statuses: {},
      slowerThanMs: null,
    }));
}

/** What kind of bad a metric of the judge speaks of. */
function kindOfMetric(metric: string | null): RouteFinding['kind'] | null {
  if (metric === null) return null;
  if (metric === 'errors' || metric === 'client-errors') return metric;
  if (metric === 'mirror') return 'differs';
  return metric.startsWith('latency') ? 'slow' : null;
}

function rank(findings: readonly RouteFinding[], metric: string | null): readonly RouteFinding[] {
  const wanted = kindOfMetric(metric);
  const order = (finding: RouteFinding): readonly number[] => {
    const group = [finding.certainty === 'found' ? 0 : 1, finding.kind === wanted ? 0 : 1];
    const { excess } = finding;
    const evidence = finding.evidence ?? 1;
    return finding.certainty === 'found' ? [...group, -excess, -evidence] : [...group, -evidence, -excess];
  };
  return findings
    .map((finding) => ({ finding, keys: order(finding) }))
    .sort((a, b) => {
      const at = a.keys.findIndex((key, index) => key !== b.keys[index]);
      return at === -1 ? byName(a.finding.route, b.finding.route) : (a.keys[at] ?? 0) - (b.keys[at] ?? 0);
    })
    .map(({ finding }) => finding);
}

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
