import type { RouteEdge } from '../core/route-edge.ts';
import type { DeploymentEvent } from '../core/rollout/event.ts';
import type { Ledger } from '../core/rollout/ledger.ts';
import type { LegPlan, SlotRelease } from '../core/rollout/plan.ts';
import { isCommitted, isFinal, type DeploymentState } from '../core/rollout/state.ts';
import type { SlotRef } from '../core/slot.ts';
import type { MetricArm, MetricScope, MetricSourceDriver } from '../drivers/metric/metric.ts';
import { metricSources } from '../drivers/metric/registry.ts';
import type { SlotStatus } from '../drivers/runtime/runtime.ts';
import type { EvidenceStore } from '../store/evidence-store.ts';
import type { Journal } from '../store/journal.ts';
import { MemoryEvidenceStore } from '../store/memory-evidence-store.ts';
import { createActor, type EnvironmentHands } from './actor.ts';
import { Analyst } from './analyst.ts';
import type { Clock } from './clock.ts';
import { CrashWatch } from './crash-watch.ts';
import { Engine } from './engine.ts';
import type { EnvironmentParts, Releases } from './environment.ts';
import { EvidenceBook } from './evidence-book.ts';
import { Leftovers } from './leftovers.ts';
import { createPolicy } from './policy.ts';
import { reconcile } from './reconcile.ts';
import { Routes } from './routes.ts';
import { Slots } from './slots.ts';
import { TrafficHistory } from './traffic-history.ts';

export interface StartOptions {
  readonly journal: Journal;
  /** Where evidence and the traffic of the last week are kept; in memory when absent. It is not closed here. */
  readonly evidence?: EvidenceStore;
  /** What the journal says: `recover(journal)`. */
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly epoch: number;
  readonly releases: Releases;
  /** What users of a service are told instead, as somebody decided; null: nothing. */
  readonly maintenance?: (environment: string, service: string) => RouteEdge['maintenance'];
  readonly isUnavailable: (error: unknown) => boolean;
  /** After every change of a deployment. */
  readonly onChange: (state: DeploymentState) => void;
  readonly onAlarm: (deployment: string | null, severity: string, message: string) => void;
  /** Something that a person should know and that changes nothing, such as a metric that cannot be asked. */
  readonly onWarning?: (message: string) => void;
}

export interface RunningEngine {
  readonly engine: Engine;
  readonly ledger: Ledger;
  readonly analyst: Analyst;
  /** What verdicts were computed from, and the traffic of the last week. */
  readonly evidence: EvidenceBook;
  /** @throws RangeError when it is not open */
  environment(name: string): EnvironmentHands;
  isOpen(name: string): boolean;
  /** Takes an environment's drivers in and brings what is live there back to what the journal says. */
  open(parts: EnvironmentParts, signal: AbortSignal): Promise<void>;
  /** The router of an environment was started anew: it is told every route again. */
  routerRestarted(name: string): void;
  /** Takes a service without active deployment away; its route, then its instances, go behind this. See `Engine.remove`. */
  remove(name: string, service: string, by: string): void;
  /** Lets an environment go; what runs there is not touched. */
  leave(name: string): void;
  /** Goes on with what is active, once the environments that it needs are open. */
  resume(): void;
  /** What cannot be done right now, in words. */
  troubles(): readonly string[];
  /** Why the journal cannot be written, and so nothing is done; null when it can. */
  storeTrouble(): string | null;
  /** Stops acting. Instances, gateways and effects under way are left to the next control plane. */
  close(): void;
}

/**
 * Puts engine, slots, routes and analysis together over injected time, store and drivers: the simulator and the control
 * plane start the same thing. It acts from `resume` on.
 */
export function startEngine(options: StartOptions): RunningEngine {
  const { ledger, clock, releases, epoch } = options;
  const troubles = new Map<string, string>();
  const hands = new Map<string, EnvironmentHands>();
  const leftovers = new Map<string, Leftovers>();
  let resumed = false;
  const environment = (name: string): EnvironmentHands => {
    const found = hands.get(name);
    if (found === undefined) throw new RangeError(`unknown environment ${name}`);
    return found;
  };

  const engine = new Engine({
    journal: options.journal,
    ledger,
    clock,
    epoch,
    actor: createActor({
      releases,
      policy: createPolicy(ledger, (release) => releases.artifactOf(release)),
      environment,
      alarm: options.onAlarm,
      isUnavailable: options.isUnavailable,
    }),
    isOpen: (name) => hands.has(name),
    onChange: (state) => {
      analyst.changed(state);
      if (state.phase === 'preparing') observeSlots(state);
      if (isFinal(state.phase)) {
        state.legs.forEach((_, leg) => crashes.delete(`${state.plan.id}/${leg}`));
        for (const leg of state.plan.legs) environment(state.plan.environment).routes.refresh(leg.service);
        leftovers.get(state.plan.environment)?.sweep();
      }
      options.onChange(state);
    },
    onStore: (trouble) => note('store', trouble),
  });
  const evidence = new EvidenceBook(options.evidence ?? new MemoryEvidenceStore(), (trouble) =>
    note('evidence', trouble, 'P2'),
  );
  const history = new TrafficHistory({
    clock,
    evidence,
    *live() {
      for (const { environment: name, service, record } of ledger.records())
        if (record.live !== null && hands.has(name)) yield { environment: name, service };
    },
    router: (name) => environment(name).parts.router,
  });
  const analyst = new Analyst({
    clock,
    evidence,
    history,
    deployment: (id) => ledger.deployment(id),
    router: (name) => environment(name).parts.router,
    service: (state, leg) => serviceOf(state, leg),
    sources,
    scope: (state, leg) => scopeOf(state, leg),
    send: (id, event) => engine.send(id, event),
    warn: (text) => options.onWarning?.(text),
  });

  function note(where: string, trouble: string | null, severity = 'P1'): void {
    if (trouble === null) troubles.delete(where);
    else if (!troubles.has(where)) {
      troubles.set(where, trouble);
      options.onAlarm(null, severity, trouble);
    }
  }

  async function sources(
    state: DeploymentState,
    leg: number,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, MetricSourceDriver>> {
    const plan = state.plan.legs[leg];
    const { analysis } = serviceOf(state, leg).strategy;
    if (plan === undefined || analysis === undefined) return new Map();
    const folder = await releases.unpack(releases.get(plan.candidate.release), signal);
    return metricSources(analysis, { now: () => clock.now(), folder, signal });
  }

  function scopeOf(state: DeploymentState, leg: number): MetricScope | null {
    const plan = state.plan.legs[leg];
    if (plan === undefined || plan.stable === null || !hands.has(state.plan.environment)) return null;
    const { slots } = environment(state.plan.environment);
    const armOf = ({ slot, release }: SlotRelease): MetricArm => {
      const metrics = slots.metrics(plan.service, slot, release);
      const endpoints = slots.endpoints(plan.service, slot, release);
      return metrics === null ? { slot, release, endpoints } : { slot, release, endpoints, metrics };
    };
    return {
      environment: state.plan.environment,
      service: plan.service,
      deployment: state.plan.id,
      phase: state.phase,
      arms: { stable: armOf(plan.stable), candidate: armOf(plan.candidate) },
    };
  }

  function serviceOf(state: DeploymentState, leg: number) {
    const plan = state.plan.legs[leg];
    if (plan === undefined) throw new RangeError(`${state.plan.id} has no leg ${leg}`);
    return environment(state.plan.environment).slots.service(plan.candidate.release, plan.service);
  }

  const crashes = new Map<string, CrashWatch>();
  function observeSlots(state: DeploymentState): void {
    state.plan.legs.forEach((_, leg) => {
      const key = `${state.plan.id}/${leg}`;
      const watch = crashes.get(key) ?? new CrashWatch();
      crashes.set(key, watch);
      for (const event of readinessEvents(state, leg, environment(state.plan.environment).slots, watch)) {
        engine.send(state.plan.id, event);
      }
    });
  }

  function slotChanged(ref: SlotRef): void {
    if (!hands.has(ref.environment)) return;
    environment(ref.environment).routes.refresh(ref.service);
    for (const state of ledger.active()) {
      if (state.plan.environment !== ref.environment || isCommitted(state)) continue;
      if (state.plan.legs.some((leg) => leg.service === ref.service)) observeSlots(state);
    }
    leftovers.get(ref.environment)?.sweep();
  }

  async function open(parts: EnvironmentParts, signal: AbortSignal): Promise<void> {
    const { name } = parts.declared;
    const slots = new Slots(parts, releases, slotChanged);
    const routes = new Routes({
      parts,
      slots,
      ledger,
      clock,
      epoch,
      maintenance: (service) => options.maintenance?.(name, service) ?? null,
      onTrouble: (trouble) => {
        note(`router ${name}`, trouble);
        tellRouter(name, trouble);
      },
    });
    const hand = { parts, slots, routes };
    hands.set(name, hand);
    await reconcile(hand, ledger, signal);
    const left = new Leftovers(hand, ledger, clock);
    leftovers.set(name, left);
    left.sweep();
    if (resumed) goOn(name);
  }

  /** Deployments of an environment that is not open rest as they are. */
  function goOn(name: string): void {
    engine.enter(name);
    for (const state of ledger.active()) {
      if (state.plan.environment !== name) continue;
      analyst.changed(state);
      observeSlots(state);
    }
  }

  function leave(name: string): void {
    engine.leave(name);
    analyst.leave(name);
    leftovers.get(name)?.close();
    leftovers.delete(name);
    hands.get(name)?.slots.close();
    hands.get(name)?.routes.close();
    hands.delete(name);
  }

  const told = new Map<string, boolean>();
  function tellRouter(name: string, trouble: string | null): void {
    if ((told.get(name) ?? false) === (trouble !== null)) return;
    told.set(name, trouble !== null);
    for (const state of ledger.active()) {
      if (state.plan.environment !== name) continue;
      engine.send(state.plan.id, {
        type: 'condition',
        condition: 'router-unreachable',
        holds: trouble !== null,
        reason: `the router cannot be reached: ${trouble ?? ''}`,
      });
    }
  }

  return {
    engine,
    ledger,
    analyst,
    evidence,
    environment,
    isOpen: (name) => hands.has(name),
    open,
    // While it is being opened, every route is written anyway.
    routerRestarted: (name) => hands.get(name)?.routes.rewrite(),
    remove(name, service, by) {
      engine.remove(name, service, by);
      hands.get(name)?.routes.refresh(service);
      leftovers.get(name)?.sweep();
    },
    leave,
    resume() {
      resumed = true;
      history.start();
      engine.start();
      for (const state of ledger.active()) {
        if (!hands.has(state.plan.environment)) continue;
        analyst.changed(state);
        observeSlots(state);
      }
    },
    troubles: () => [...troubles.values()],
    storeTrouble: () => troubles.get('store') ?? null,
    close() {
      engine.close();
      analyst.close();
      history.close();
      for (const name of hands.keys()) leave(name);
    },
  };
}

/** What is new about the slots of a leg since the deployment last heard of them. */
function readinessEvents(
  state: DeploymentState,
  leg: number,
  slots: Slots,
  crashes: CrashWatch,
): readonly DeploymentEvent[] {
  const plan = state.plan.legs[leg];
  const known = state.legs[leg];
  if (plan === undefined || known === undefined) return [];
  const events: DeploymentEvent[] = [];
  const observed = slots.readiness(plan.service, plan.candidate.slot, plan.candidate.release);
  const crash = known.exposed ? crashes.look(...slotsOf(plan, slots)) : null;
  const candidate = { ...observed, fault: observed.fault ?? crash };
  const isNews =
    candidate.ready !== known.candidateReady ||
    candidate.fault !== known.candidateFault ||
    words(candidate.note) !== words(known.candidateNote);
  if (isNews) events.push({ type: 'slot-observed', leg, arm: 'candidate', ...candidate });
  if (plan.stable !== null) {
    const stable = slots.readiness(plan.service, plan.stable.slot, plan.stable.release);
    if (stable.ready !== known.stableReady) events.push({ type: 'slot-observed', leg, arm: 'stable', ...stable });
  }
  return events;
}

/** The slots of a leg, stable and candidate, as long as they run what the plan says. */
function slotsOf(plan: LegPlan, slots: Slots): readonly [SlotStatus | null, SlotStatus | null] {
  const running = (wanted: SlotRelease | null): SlotStatus | null => {
    const status = wanted === null ? null : slots.status(plan.service, wanted.slot);
    return status?.release === wanted?.release ? status : null;
  };
  return [running(plan.stable), running(plan.candidate)];
}

/** Figures in a note change all the time; only other words are news. */
const words = (note: string | null): string => (note ?? '').replaceAll(/[\d.]+/g, '#');
