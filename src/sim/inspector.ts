import { isCommitted, isFinal, type DeploymentState } from '../core/rollout/state.ts';
import { otherSlot, slotKey, type Slot, type SlotRef } from '../core/slot.ts';
import type { RouteInForce, RouteTableEntry, WriteStamp } from '../core/route-table.ts';
import type { SlotDesire } from '../drivers/runtime/runtime.ts';
import { sharesOf } from './front.ts';
import type { SimulatedInstance } from './instance.ts';
import type { SimulatedPlatform } from './platform.ts';
import type { Report } from './report.ts';
import type { Truth } from './truth.ts';
import type { Place } from './world.ts';

export interface InspectorParts {
  readonly report: Report;
  readonly truth: Truth;
  readonly platform: SimulatedPlatform;
  readonly place: (environment: string) => Place;
  readonly now: () => number;
}

const SLOTS = ['blue', 'green'] as const;

/** Looks at the simulated world after everything that happens in it, and compares with what must always be true. */
export class Inspector {
  readonly #parts: InspectorParts;
  readonly #epochs = new Map<string, number>();

  constructor(parts: InspectorParts) {
    this.#parts = parts;
  }

  /** A route has been put in force (or taken out). */
  written(environment: string, stamp: WriteStamp, service: string, after: RouteInForce | null): void {
    const { report } = this.#parts;
    const key = `${environment}/${service}`;
    const highest = this.#epochs.get(key) ?? 0;
    if (stamp.epoch < highest) {
      report.fail(
        'weights change under the current lease only',
        `${key}: a write of epoch ${stamp.epoch} took effect after ${highest}`,
      );
    }
    this.#epochs.set(key, Math.max(highest, stamp.epoch));
    this.#copiesAlone(key, after?.entry ?? null);
    const weight = after?.entry.candidateWeight ?? 0;
    if (!Number.isInteger(weight) || weight < 0 || weight > 100) {
      report.fail('weights add up to 100', `${key}: the candidate has ${weight} %`);
    }
    this.reach(environment, service);
  }

  /** While the candidate gets copies, no user reaches it, not even one who asks for it. */
  #copiesAlone(key: string, entry: RouteTableEntry | null): void {
    if (entry?.mirror === undefined) return;
    const { candidateWeight } = entry;
    if (candidateWeight > 0 || (entry.public?.canaryHeader ?? null) !== null) {
      this.#parts.report.fail(
        'no user is on a candidate that gets copies',
        `${key}: ${candidateWeight} %${entry.public?.canaryHeader === null ? '' : ', and a header leads to it'}`,
      );
    }
  }

  /** Where would a user's request go right now? */
  reach(environment: string, service: string): void {
    const { report, truth } = this.#parts;
    const { front, machine } = this.#parts.place(environment);
    const entry = front.inForce(service)?.entry ?? null;
    const { live } = truth.ledger.record(environment, service);
    if (live !== null && (entry === null || entry.public === null)) {
      report.fail('users are served while something is live', `${environment}/${service} has no route`);
      return;
    }
    if (entry === null) return;
    for (const slot of SLOTS) this.#reachSlot(environment, service, entry, slot);
    for (const slot of SLOTS) {
      for (const { id } of reachable(entry, slot)) {
        const instance = machine.instance(id);
        if (instance !== null && instance.life !== 'stopping') continue;
        report.fail(
          'traffic goes to ready instances',
          `${environment}/${service}: ${id} is ${instance?.life ?? 'gone'} and in the table`,
        );
      }
    }
  }

  /** An instance is about to be told to end. */
  stopping(instance: SimulatedInstance): void {
    const { environment, service, id } = instance;
    const { report, now } = this.#parts;
    const entry = this.#parts.place(environment).front.inForce(service)?.entry;
    const isReachable =
      entry !== undefined && SLOTS.some((slot) => reachable(entry, slot).some((endpoint) => endpoint.id === id));
    if (isReachable) report.fail('traffic goes to ready instances', `${id} is stopped while users can reach it`);
    const left = instance.leftTrafficAt;
    if (left !== null && instance.life === 'ready' && instance.busyUntil > now() && instance.drainAskedAt < left) {
      report.fail(
        'what is in flight is answered',
        `${id} is stopped ${instance.busyUntil - now()} ms before its last request ends, and was never drained`,
      );
    }
  }

  /** A slot has been given another desire. */
  desired(ref: SlotRef, desire: SlotDesire | null): void {
    const { report, truth, platform } = this.#parts;
    const state = activeOf(truth, ref.environment, ref.service);
    const requires = this.#parts.place(ref.environment).declared.gates.requires;
    if (desire !== null && requires !== null) {
      const artifact = platform.byId.get(desire.release)?.release.artifact;
      const passed = [...truth.ledger.deployments()].some(
        (deployment) =>
          deployment.plan.environment === requires &&
          isCommitted(deployment) &&
          deployment.plan.legs.some((leg) => platform.byId.get(leg.candidate.release)?.release.artifact === artifact),
      );
      if (!passed) report.fail('staging comes before production', `${desire.release} runs in ${ref.environment}`);
    }
    const known = [
      truth.ledger.record(ref.environment, ref.service).live,
      state?.plan.legs.find((leg) => leg.service === ref.service)?.candidate,
    ];
    if (
      desire !== null &&
      truth.ledger.record(ref.environment, ref.service).warm?.slot !== ref.slot &&
      !known.some((one) => one?.slot === ref.slot && one.release === desire.release)
    ) {
      report.fail('only what the journal wants is started', `${slotKey(ref)}: ${desire.release}`);
    }
    this.stableStands(ref.environment, ref.service);
  }

  /** Until the commit, stable can take everything; after it, what is live can. */
  stableStands(environment: string, service: string): void {
    const { report, truth, place } = this.#parts;
    const { live } = truth.ledger.record(environment, service);
    if (live === null) return;
    const slot = place(environment).machine.slot({ environment, service, slot: live.slot });
    const declared = this.#size(environment, live.release);
    if (slot?.desire?.release === live.release && slot.desire.instances >= declared) return;
    const runs =
      slot?.desire === null || slot === null
        ? 'nothing'
        : `${slot.desire?.instances ?? 0} of ${slot.desire?.release ?? ''}`;
    report.fail(
      'going back is one router write',
      `${environment}/${service}: ${live.slot} should run ${declared} of ${live.release}, runs ${runs}`,
    );
  }

  /** The journal says something new about a deployment. */
  journaled(state: DeploymentState): void {
    const { report, place } = this.#parts;
    const { environment, legs } = state.plan;
    for (const [index, leg] of legs.entries()) {
      const entry = place(environment).front.inForce(leg.service)?.entry ?? null;
      if (!isCommitted(state) && state.phase !== 'pending') this.stableStands(environment, leg.service);
      if (state.phase === 'reverted' && entry !== null && releaseShare(entry, leg.candidate.slot) > 0) {
        report.fail(
          'failing paths end with stable at 100 %',
          `${state.plan.id} has ended, and users of ${leg.service} are on ${leg.candidate.slot}`,
        );
      }
      if (state.phase === 'reverted' && leg.stable === null && entry?.public !== null && entry !== null) {
        report.fail(
          'failing paths end with stable at 100 %',
          `${state.plan.id} has ended, and ${leg.service} still has a public route`,
        );
      }
      const copied = state.phase === 'mirroring' && state.plan.groups[state.group]?.legs.includes(index) === true;
      if (copied && entry !== null && releaseShare(entry, leg.candidate.slot) > 0) {
        report.fail(
          'no user is on a candidate that gets copies',
          `${state.plan.id} is mirroring, and users of ${leg.service} are on ${leg.candidate.slot}`,
        );
      }
      const isCommit = isCommitted(state) && state.stage === 'adopting' && state.since === state.committedAt;
      if (isCommit && state.legs[index]?.weight !== 100) {
        report.fail(
          'a commit finds the candidate at 100 %',
          `${state.plan.id} ${leg.service}: ${state.legs[index]?.weight ?? 0} %`,
        );
      }
    }
  }

  /** Nothing goes wrong any more and nobody acts: has everything come to its end? */
  atTheEnd(places: Iterable<Place>): void {
    const { report, truth } = this.#parts;
    for (const state of truth.ledger.active())
      report.fail('every deployment ends', `${state.plan.id} is ${state.phase}/${state.stage}`);
    for (const { declared, machine, front } of places) {
      const environment = declared.name;
      for (const { ref, release, instances } of machine.slots()) {
        const { live } = truth.ledger.record(environment, ref.service);
        if (live?.slot === ref.slot && live.release === release) continue;
        report.fail('nothing runs that nobody wants', `${slotKey(ref)}: ${instances.size} of ${release}`);
      }
      for (const service of this.#parts.platform.services)
        this.#serviceAtTheEnd(environment, service, front.inForce(service)?.entry ?? null);
    }
  }

  /** Of good releases in a world where only control planes die, each succeeds unless somebody wanted it otherwise. */
  nothingLost(): void {
    for (const { plan, phase, reason } of this.#parts.truth.ledger.deployments()) {
      const queued = reason?.text.startsWith('pending') === true;
      const wasMeant = queued || reason?.code === 'superseded' || reason?.code === 'gate-refused' || plan.approval;
      if (phase !== 'succeeded' && !wasMeant) {
        this.#parts.report.fail(
          'a crash takes no deployment back',
          `${plan.id} is ${phase}: ${reason?.text ?? 'no reason'}`,
        );
      }
    }
  }

  #serviceAtTheEnd(environment: string, service: string, entry: RouteTableEntry | null): void {
    const { report, truth } = this.#parts;
    const { live } = truth.ledger.record(environment, service);
    const where = `${environment}/${service}`;
    if (live === null) {
      if (entry !== null)
        report.fail('nothing is routed that nobody wants', `${where} has a route and nothing is live`);
      return;
    }
    this.stableStands(environment, service);
    if (
      entry === null ||
      entry.stable !== live.slot ||
      entry.candidateWeight !== 0 ||
      entry.mirror !== undefined ||
      entry.releases[live.slot] !== live.release
    ) {
      report.fail(
        'stable has 100 % at the end',
        `${where}: ${JSON.stringify(entry?.releases)} stable ${entry?.stable ?? 'none'}, candidate ${entry?.candidateWeight ?? 0} %${entry?.mirror === undefined ? '' : ' and copies'}`,
      );
      return;
    }
    const { ready, routed } = this.#tableOf(environment, service, entry, live.slot);
    if (ready !== routed) report.fail('the table is what is ready', `${where}: ready ${ready}, routed ${routed}`);
    if (entry.endpoints[otherSlot(live.slot)].length > 0)
      report.fail('the table is what is ready', `${where}: the other slot is still routed`);
  }

  /** Is what is ready routed, and nothing else? */
  isCalm(places: Iterable<Place>): boolean {
    for (const { declared, front } of places) {
      for (const { entry } of front.routes()) {
        const { ready, routed } = this.#tableOf(declared.name, entry.service, entry, entry.stable);
        if (ready !== routed) return false;
      }
    }
    return true;
  }

  #tableOf(
    environment: string,
    service: string,
    entry: RouteTableEntry,
    slot: Slot,
  ): { ready: string; routed: string } {
    const runs = this.#parts.place(environment).machine.slot({ environment, service, slot });
    const ready = [...(runs?.instances.values() ?? [])].filter(({ life }) => life === 'ready').map(({ id }) => id);
    const routed = entry.endpoints[slot].map(({ id }) => id);
    return { ready: ready.sort().join(' '), routed: routed.sort().join(' ') };
  }

  #reachSlot(environment: string, service: string, entry: RouteTableEntry, slot: Slot): void {
    if (entry.public === null || sharesOf(entry)[slot] === 0) return;
    const { report, place } = this.#parts;
    const { machine } = place(environment);
    if (entry.endpoints[slot].some(({ id }) => machine.instance(id)?.life === 'ready')) return;
    // All of it died by itself: that is counted, second by second, and is not what a deployment did. A first release has
    // nobody beside it, and what it loses is lost.
    const meant = entry.releases[slot] === null && entry.candidateWeight > 0 ? otherSlot(slot) : slot;
    const runs = machine.slot({ environment, service, slot: meant });
    if (runs !== null && runs.desire?.release === entry.releases[meant] && runs.everReady) return;
    report.fail(
      'users get an answer',
      `${environment}/${service}: ${sharesOf(entry)[slot]} % go to ${slot}, where ${runs === null ? 'nothing runs' : 'nothing has been ready'}`,
    );
  }

  #size(environment: string, release: string): number {
    return this.#parts.platform.byId.get(release)?.release.config[environment]?.instances ?? 1;
  }
}

/** Endpoints of a slot that some user's request may reach, or the copy of one. */
function reachable(entry: RouteTableEntry, slot: Slot): readonly { readonly id: string }[] {
  const isOpen = entry.public !== null;
  const byWeight = slot === entry.stable || entry.candidateWeight > 0;
  const byHeader = (entry.public?.canaryHeader ?? null) !== null;
  const byCopy = slot !== entry.stable && entry.mirror !== undefined;
  return isOpen && (byWeight || byHeader || byCopy) ? entry.endpoints[slot] : [];
}

const releaseShare = (entry: RouteTableEntry, slot: Slot): number =>
  entry.public === null ? 0 : sharesOf(entry)[slot];

function activeOf(truth: Truth, environment: string, service: string): DeploymentState | null {
  return (
    truth.ledger
      .active()
      .find(
        (state) =>
          !isFinal(state.phase) &&
          state.phase !== 'pending' &&
          state.plan.environment === environment &&
          state.plan.legs.some((leg) => leg.service === service),
      ) ?? null
  );
}
