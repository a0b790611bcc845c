import { describe, expect, it } from 'vitest';
import { Ledger } from '../rollout/ledger.ts';
import type { DeploymentState } from '../rollout/state.ts';
import { canaryGroup, testLeg, testPlan } from '../rollout/testing/plans.ts';
import { Stage } from '../rollout/testing/stage.ts';
import { plainEdge } from '../route-table.ts';
import type { Service } from '../spec/platform.ts';
import { routeEntry, type RouteFacts } from './route-entry.ts';

const declared = {
  route: { hosts: [], paths: ['/'], sticky: false, canaryHeader: { name: 'canary', value: 'true' } },
  proxy: { responseTimeoutMs: 1, idleTimeoutMs: 1, maxBodyBytes: null, drainMs: 1 },
} as unknown as Service;

const before = { live: testLeg('api').stable, warm: null, liveSince: 1, history: [] };

function entryFor(
  deployment: DeploymentState | null,
  record: Parameters<typeof routeEntry>[0]['record'] = before,
  machine = '127.0.0.1',
) {
  return routeEntry({
    service: 'api',
    record,
    deployment,
    declared,
    internalPort: 4_000,
    machine,
    endpoints: (slot, release) => [{ id: `${slot}-${release}`, host: '127.0.0.1', port: 1 }],
  });
}

const endpointIds = (entry: ReturnType<typeof routeEntry>, slot: 'blue' | 'green') =>
  entry?.endpoints[slot].map(({ id }) => id);

describe('the route of a service', () => {
  it('without a deployment is what is live, and nothing else', () => {
    const entry = entryFor(null);
    expect(entry).toMatchObject({ stable: 'blue', candidateWeight: 0, releases: { blue: 'rel_api-v1', green: null } });
    expect(endpointIds(entry, 'green')).toEqual([]);
  });

  it('has its internal address where instances reach this machine', () => {
    expect(entryFor(null)?.internalHost).toBeUndefined();
    expect(entryFor(null, before, '10.213.0.1')?.internalHost).toBe('10.213.0.1');
  });

  it('lets the smoke test in before users: the candidate is there, with no weight and no header that leads to it', () => {
    const stage = new Stage(testPlan([testLeg('api')]), (effect) => (effect.kind === 'smoke' ? null : 'done'));
    const entry = entryFor(stage.state);
    expect(entry).toMatchObject({ candidateWeight: 0, public: { canaryHeader: null } });
    expect(endpointIds(entry, 'green')).toEqual(['green-rel_api-v2']);
  });

  it('shows the weight that is asked for, before it is acknowledged', () => {
    const stage = new Stage(testPlan([testLeg('api')]), (effect) => (effect.kind === 'route' ? null : 'done'));
    expect(stage.state.legs[0]).toMatchObject({ weight: 0, routing: 5 });
    expect(entryFor(stage.state)).toMatchObject({ candidateWeight: 5, public: { canaryHeader: { name: 'canary' } } });
  });

  it('while copies are made has no user on the candidate, not even one who asks for it', () => {
    const leg = testLeg('api', { mirror: { share: 20, shapes: true } });
    const groups = [{ ...canaryGroup([0]), mirror: { holdMs: 3_000 } }];
    const mirroring = (stage: Stage): Stage => {
      stage.until((state) => state.phase === 'mirroring' && state.stage === 'holding');
      return stage;
    };
    const stage = mirroring(new Stage(testPlan([leg], { groups })));
    const entry = entryFor(stage.state);
    expect(entry).toMatchObject({
      candidateWeight: 0,
      mirror: { share: 20, shapes: true },
      public: { canaryHeader: null },
    });
    expect(endpointIds(entry, 'green')).toEqual(['green-rel_api-v2']);
    // On the way back as well: the write that ends the copies opens nothing.
    const undone = mirroring(
      new Stage(testPlan([leg], { groups }), (_, at) => (at.state.phase === 'reverting' ? null : 'done')),
    );
    undone.send(undone.analysis(0, { verdict: 'worse' }));
    expect(undone.state).toMatchObject({ phase: 'reverting', stage: 'routing' });
    const back = entryFor(undone.state);
    expect(back).toMatchObject({ candidateWeight: 0, public: { canaryHeader: null } });
    expect(back).not.toHaveProperty('mirror');
    // And with the first weight they are over.
    stage.until((state) => state.phase === 'stepping' && state.stage === 'holding');
    const stepping = entryFor(stage.state);
    expect(stepping).toMatchObject({ candidateWeight: 5, public: { canaryHeader: { name: 'canary' } } });
    expect(stepping).not.toHaveProperty('mirror');
  });

  it('takes the candidate out before it is drained and stopped', () => {
    const stage = new Stage(testPlan([testLeg('api')]), (effect, at) =>
      at.state.phase === 'reverting' && effect.kind === 'drain' ? null : 'done',
    );
    stage.operate({ kind: 'abort' });
    expect(stage.state).toMatchObject({ phase: 'reverting', stage: 'draining' });
    expect(endpointIds(entryFor(stage.state), 'green')).toEqual([]);
  });

  it('after the commit calls the new slot stable, and the old one, still warm, has no place in it', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    stage.until((state) => state.stage === 'warm');
    const ledger = new Ledger();
    ledger.put(stage.state);
    const entry = entryFor(stage.state, ledger.record('production', 'api'));
    expect(entry).toMatchObject({ stable: 'green', candidateWeight: 0, releases: { blue: null, green: 'rel_api-v2' } });
    expect(endpointIds(entry, 'blue')).toEqual([]);
  });

  it('a first release is closed to users until it has passed its checks, and gone while it is undone', () => {
    const none = { live: null, warm: null, liveSince: null, history: [] };
    const plan = testPlan([testLeg('api', { stable: null })]);
    const checking = new Stage(plan, (effect) => (effect.kind === 'smoke' ? null : 'done'));
    expect(entryFor(checking.state, none)).toMatchObject({ public: null });
    const undone = new Stage(plan, (effect) => (effect.kind === 'commit' || effect.kind === 'unroute' ? null : 'done'));
    undone.operate({ kind: 'abort' });
    expect(undone.state.phase).toBe('reverting');
    expect(entryFor(undone.state, none)).toBeNull();
  });

  it('is closed to users as long as a first release has no share: nobody would answer them', () => {
    const first = testPlan([testLeg('api', { stable: null })]);
    const stage = new Stage(first, (effect) => (effect.kind === 'route' ? null : 'done'));
    const asked = stage.state.legs[0];
    if (asked === undefined) throw new Error('no leg');
    expect(asked).toMatchObject({ exposed: true, routing: 100 });
    const nothing = { live: null, warm: null, liveSince: null, history: [] };
    expect(entryFor(stage.state, nothing)?.public).not.toBeNull();
    // The write was not acknowledged, and is taken back while the router cannot be reached.
    const takenBack = { ...stage.state, legs: [{ ...asked, routing: 0, weight: 0 }] };
    expect(entryFor(takenBack, nothing)).toMatchObject({ public: null, candidateWeight: 0 });
  });

  describe('at the edge', () => {
    const edge = { headers: { 'x-a': 'b' }, compress: true, rateLimits: [], hidden: ['/metrics'] };
    const entryOf = (service: Service, maintenance: RouteFacts['maintenance']) =>
      routeEntry({
        service: 'api',
        record: before,
        deployment: null,
        declared: service,
        internalPort: 4_000,
        machine: '127.0.0.1',
        endpoints: () => [],
        ...(maintenance === undefined ? {} : { maintenance }),
      })?.edge;

    it('does what the release that is live declares, and what somebody decided', () => {
      expect(entryOf({ ...declared, edge }, undefined)).toEqual({ ...edge, maintenance: null });
      const page = { retryAfterSeconds: 60, html: null };
      expect(entryOf({ ...declared, edge }, page)).toEqual({ ...edge, maintenance: page });
    });

    it('does nothing for a release that was built before there was one', () => {
      expect(entryOf(declared, null)).toEqual(plainEdge);
    });
  });
});
