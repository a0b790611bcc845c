import type { Effect, EffectId } from '../effect.ts';
import type { DeploymentPlan } from '../plan.ts';
import type { DeploymentState } from '../state.ts';

/**
 * A small model of what a deployment acts on: the router with its fencing stamps, the slots of each service, and what is
 * still on its way to them. It knows nothing of phases: it does what it is asked, in the order in which it hears of it.
 */
export interface World {
  readonly legs: readonly LegWorld[];
  /** Requested, carried out, and not answered yet. */
  readonly happened: ReadonlySet<EffectId>;
  /** Nobody will answer these, unless they are asked for again. */
  readonly lost: ReadonlySet<EffectId>;
  /** Router writes that nobody waits for any more and that may still arrive. */
  readonly flying: readonly Flying[];
}

export interface LegWorld {
  /** Percent of the candidate in the table that is in force. */
  readonly weight: number;
  /** In the same table: copies of safe requests go to the candidate. */
  readonly mirror: boolean;
  readonly stamp: Stamp;
  /** Candidate instances that the runtime has been told to run. */
  readonly size: number;
  readonly stableSlot: 'full' | 'draining' | 'stopped';
  readonly candidateDrained: boolean;
  /** The policy check of this leg has passed. */
  readonly policy: boolean;
  readonly adopted: boolean;
}

/** Router writes are ordered by lease first, then by number; the router refuses what is older than what is in force. */
export interface Stamp {
  readonly epoch: number;
  readonly version: number;
}

export interface Flying {
  readonly leg: number;
  readonly weight: number;
  readonly mirror: boolean;
  readonly stamp: Stamp;
}

export const beginWorld = (plan: DeploymentPlan): World => ({
  legs: plan.legs.map(() => ({
    weight: 0,
    mirror: false,
    stamp: { epoch: 0, version: -1 },
    size: 0,
    stableSlot: 'full',
    candidateDrained: false,
    policy: false,
    adopted: false,
  })),
  happened: new Set(),
  lost: new Set(),
  flying: [],
});

export const isNewer = (a: Stamp, b: Stamp): boolean =>
  a.epoch > b.epoch || (a.epoch === b.epoch && a.version > b.version);

/** The number at the end of an effect's id: effects of a deployment are numbered in the order of their requests. */
export const numberOf = (id: EffectId): number => Number(id.slice(id.lastIndexOf('/') + 1));

export const isRouterWrite = (effect: Effect): boolean => effect.kind === 'route' || effect.kind === 'unroute';

export const weightOf = (effect: Effect): number => (effect.kind === 'route' ? effect.weight : 0);

export const mirrorOf = (effect: Effect): boolean => effect.kind === 'route' && effect.mirror === true;

/** The world carries an effect out. Repeated, it changes nothing. */
export function perform(world: World, effect: Effect, state: DeploymentState): World {
  const leg = world.legs[effect.leg];
  if (leg === undefined) return world;
  const next = performOn(leg, effect, state);
  return next === leg ? world : withLeg(world, effect.leg, next);
}

function performOn(leg: LegWorld, effect: Effect, state: DeploymentState): LegWorld {
  const isStable = (slot: string): boolean => state.plan.legs[effect.leg]?.stable?.slot === slot;
  switch (effect.kind) {
    case 'route':
    case 'unroute':
      return write(leg, {
        weight: weightOf(effect),
        mirror: mirrorOf(effect),
        stamp: { epoch: state.epoch, version: numberOf(effect.id) },
      });
    case 'scale':
      return isStable(effect.slot) ? leg : { ...leg, size: effect.count };
    case 'drain':
      return isStable(effect.slot) ? { ...leg, stableSlot: 'draining' } : { ...leg, candidateDrained: true };
    case 'stop':
      return isStable(effect.slot) ? { ...leg, stableSlot: 'stopped' } : { ...leg, size: 0 };
    case 'adopt':
      return { ...leg, adopted: true, weight: 100, mirror: false };
    default:
      return leg;
  }
}

function write(leg: LegWorld, { weight, mirror, stamp }: Omit<Flying, 'leg'>): LegWorld {
  return isNewer(stamp, leg.stamp) ? { ...leg, weight, mirror, stamp } : leg;
}

/** A write that nobody waits for arrives. */
export function land(world: World, flying: Flying): World {
  const leg = world.legs[flying.leg];
  const rest = { ...world, flying: world.flying.filter((other) => other !== flying) };
  return leg === undefined ? rest : forgetOutdated(withLeg(rest, flying.leg, write(leg, flying)));
}

export const pass = (world: World, leg: number): World => change(world, leg, { policy: true });

const change = (world: World, index: number, over: Partial<LegWorld>): World => {
  const leg = world.legs[index];
  return leg === undefined ? world : withLeg(world, index, { ...leg, ...over });
};

const withLeg = (world: World, index: number, leg: LegWorld): World => ({
  ...world,
  legs: world.legs.map((old, at) => (at === index ? leg : old)),
});

/** What would be refused on arrival need not be remembered. */
function forgetOutdated(world: World): World {
  if (world.flying.length === 0) return world;
  const flying = world.flying.filter((write) => {
    const leg = world.legs[write.leg];
    return leg !== undefined && isNewer(write.stamp, leg.stamp);
  });
  return flying.length === world.flying.length ? world : { ...world, flying };
}

/**
 * What is left of the world's memory after a step: answers to forgotten effects are of no interest, but router writes that
 * were on their way still are.
 */
export function afterStep(
  before: World,
  from: DeploymentState,
  { state: to, effects }: { readonly state: DeploymentState; readonly effects: readonly Effect[] },
  answered: EffectId | null,
): World {
  const isOutstanding = (id: EffectId): boolean =>
    Object.hasOwn(to.effects, id) || to.retries.some((retry) => retry.effect.id === id);
  // What a control plane had under way ends with it.
  const crashed = from.epoch !== to.epoch;
  const isUnheard = (id: EffectId): boolean => isOutstanding(id) && !effects.some((effect) => effect.id === id);
  const world = {
    ...before,
    happened: kept(before.happened, isOutstanding),
    lost: kept(crashed ? new Set([...before.lost, ...Object.keys(from.effects)]) : before.lost, isUnheard),
  };
  const forgotten = [...Object.values(from.effects), ...from.retries.map((retry) => retry.effect)].filter(
    (effect) =>
      isRouterWrite(effect) && effect.id !== answered && !isOutstanding(effect.id) && !before.happened.has(effect.id),
  );
  if (forgotten.length === 0) return forgetOutdated(world);
  const flying = forgotten.map((effect) => ({
    leg: effect.leg,
    weight: weightOf(effect),
    mirror: mirrorOf(effect),
    stamp: { epoch: from.epoch, version: numberOf(effect.id) },
  }));
  return forgetOutdated({ ...world, flying: [...world.flying, ...flying] });
}

function kept(ids: ReadonlySet<EffectId>, wanted: (id: EffectId) => boolean): ReadonlySet<EffectId> {
  if (ids.size === 0) return ids;
  return new Set([...ids].filter(wanted));
}
