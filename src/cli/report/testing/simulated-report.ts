import type { DeploymentView, EventView, LegView } from '../../../api/schemas.ts';
import type { EvidenceRecord } from '../../../core/analysis/evidence-record.ts';
import { replay } from '../../../core/analysis/replay.ts';
import { balanced, simulatedLeg, type SimulatedRoute } from '../../../core/analysis/testing/simulated-leg.ts';
import type { ReportInput } from '../page.ts';

/** 2026-03-02 14:02:10 UTC. */
const FROM = 1_772_460_130;

const PHASES = [
  { phase: 'mirroring', step: 0, weight: 0, seconds: 20, mirror: true },
  { phase: 'stepping', step: 0, weight: 5, seconds: 60 },
  { phase: 'stepping', step: 1, weight: 25, seconds: 60 },
  { phase: 'stepping', step: 2, weight: 50, seconds: 60 },
  { phase: 'watching', step: 2, weight: 95, seconds: 120 },
] as const;

const route = (name: string, share: number, fails = 0, slower = 1): SimulatedRoute => ({
  route: name,
  share,
  fails,
  slower,
});

/** Routes of a shop of which one is broken in the candidate. */
export const shop = (fails: number, slower = 1): readonly SimulatedRoute[] => [
  route('GET /', 0.3),
  route('GET /items', 0.25),
  route('GET /items/:id', 0.2),
  route('POST /orders', 0.12, fails, slower),
  route('GET /orders/:id', 0.08),
  route('GET /account', 0.05),
];

/** A rollout that the real judge looked at, second by second, over seeded traffic. */
export function simulatedRecord(
  seed: number,
  routes: readonly SimulatedRoute[],
  seconds: (phase: (typeof PHASES)[number]) => number = ({ seconds: length }) => length,
  requestsPerSecond = 100,
): EvidenceRecord {
  return simulatedLeg({
    seed,
    requestsPerSecond,
    errorShare: 0.001,
    routes,
    phases: PHASES.map((phase) => ({ ...phase, seconds: seconds(phase) })),
    settings: balanced,
    pastMinutes: 5,
    from: FROM,
    after: 8,
  });
}

/** Everything that a report is made of, out of one record; texts as `text` has them. */
export function simulatedInput(
  record: EvidenceRecord | null,
  text: (plain: string) => string = (plain) => plain,
): ReportInput {
  const replayed = record === null ? null : replay(record);
  const worse = replayed === null || replayed.worseAt === null ? undefined : replayed.seconds[replayed.worseAt];
  const startedAt = (FROM - 6) * 1_000 + 412;
  const endedAt = (FROM + (record?.seconds.length ?? 10)) * 1_000 + 731;
  const leg: LegView = {
    service: text('api'),
    strategy: 'canary',
    stable: { release: text('rel_5d0c1f2ab9e74c31a0d2'), slot: 'blue' },
    candidate: { release: text('rel_a91be07c44d25f8e6b13'), slot: 'green' },
    weight: worse === undefined ? 100 : 0,
    wanted: 2,
    ready: 2,
    instances: 2,
    stableReady: 2,
    note: null,
    verdict: worse === undefined ? 'not-worse' : 'worse',
    evidence: null,
    traffic: null,
    url: 'http://127.0.0.1:8080',
    group: 0,
  };
  const deployment: DeploymentView = {
    id: text('dep_41'),
    environment: text('production'),
    kind: 'planned',
    order: 'together',
    requestedBy: text('dora'),
    approvedBy: text('emil'),
    phase: worse === undefined ? 'succeeded' : 'reverted',
    stage: 'working',
    group: 0,
    groups: 1,
    step: 0,
    steps: [5, 25, 50],
    legs: [leg],
    waitsFor: null,
    until: null,
    holds: [],
    reason: worse === undefined ? null : { code: 'worse', service: text('api'), text: text(worse.evidence.summary) },
    startedAt,
    phaseSince: endedAt,
    committedAt: worse === undefined ? endedAt - 3_000 : null,
    endedAt,
    warmUntil: null,
    supersededBy: null,
    summary: text('as it was'),
  };
  const event = (seq: number, after: number, type: string, what: string): EventView => ({
    seq,
    at: startedAt + after,
    environment: text('production'),
    deployment: text('dep_41'),
    service: text('api'),
    type,
    text: text(what),
    data: null,
  });
  return {
    deployment,
    timeline: [
      event(1, 0, 'requested', 'requested by dora'),
      event(2, 310, 'effect-done', 'artifact verified'),
      event(3, 4_900, 'slot-observed', 'candidate: 2 of 2 ready'),
      event(4, 26_000, 'effect-done', '5 % to the candidate'),
      event(5, endedAt - startedAt, 'ended', 'the end'),
    ],
    evidence: [record],
    context: [
      {
        logs: [
          { time: FROM * 1_000, instance: text('api-green-1'), text: text('TypeError: order.items is not iterable') },
        ],
        changes: [{ what: text('commit'), text: text('9c1f0a2 Take the discount from the order') }],
        notes: [text('the logs of an instance are gone')],
      },
    ],
    labels: new Map([
      [text('rel_5d0c1f2ab9e74c31a0d2'), text('Show the stock of an item')],
      [text('rel_a91be07c44d25f8e6b13'), text('Take the discount from the order')],
    ]),
    madeAt: endedAt + 60_000,
    version: '0.1.0',
  };
}
