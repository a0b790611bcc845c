import type { Effect } from '../core/rollout/effect.ts';
import type { DeploymentState } from '../core/rollout/state.ts';
import type { Slot } from '../core/slot.ts';
import { withoutPort } from '../core/spec/placeholders.ts';
import type { Service } from '../core/spec/platform.ts';
import type { Actor } from './engine.ts';
import type { EnvironmentParts, Releases } from './environment.ts';
import type { Policy } from './policy.ts';
import type { Routes } from './routes.ts';
import type { Slots } from './slots.ts';

export interface EnvironmentHands {
  readonly parts: EnvironmentParts;
  readonly slots: Slots;
  readonly routes: Routes;
}

export interface ActorParts {
  readonly releases: Releases;
  readonly policy: Policy;
  environment(name: string): EnvironmentHands;
  alarm(deployment: string, severity: string, message: string): void;
  /** True for errors of a side that could not be asked, which is worth another try. */
  isUnavailable(error: unknown): boolean;
}

interface Scene extends EnvironmentHands {
  readonly state: DeploymentState;
  readonly service: string;
  readonly leg: DeploymentState['plan']['legs'][number];
  readonly declared: Service;
  readonly signal: AbortSignal;
}

/** Turns effects into calls of drivers. Each may be repeated: drivers take a repeated request for the same one. */
export function createActor(parts: ActorParts): Actor {
  return {
    isUnavailable: (error) => parts.isUnavailable(error),
    async act(effect, state, signal) {
      if (effect.kind === 'alarm') {
        parts.alarm(state.plan.id, effect.severity, effect.message);
        return;
      }
      const leg = state.plan.legs[effect.leg];
      if (leg === undefined) throw new RangeError(`${effect.id} names no leg`);
      const hands = parts.environment(state.plan.environment);
      const declared = hands.slots.service(leg.candidate.release, leg.service);
      await carryOut(effect, { ...hands, state, service: leg.service, leg, declared, signal }, parts);
    },
  };
}

async function carryOut(effect: Effect, scene: Scene, parts: ActorParts): Promise<void> {
  const { slots, routes, leg, service, signal } = scene;
  const { release } = leg.candidate;
  switch (effect.kind) {
    case 'verify-artifact':
      await parts.releases.unpack(parts.releases.get(release), signal);
      return;
    case 'check-policy':
      parts.policy.check(scene.parts.declared, parts.releases.get(release), scene.state.plan.kind);
      // A secret that is missing is found before anything is started, not by the first instance.
      await scene.parts.configuration.variables(scene.declared, signal);
      // It may have waited for its turn since it was asked for.
      await scene.parts.migrations.check(scene.declared, parts.releases.get(release), scene.state.plan.kind, signal);
      return;
    case 'reserve':
      await slots.reserve(release, service, leg.candidate.slot, leg.instances, signal);
      return;
    case 'migrate': {
      const artifact = parts.releases.get(release);
      await scene.parts.migrations.apply(
        scene.declared,
        artifact,
        await parts.releases.unpack(artifact, signal),
        signal,
      );
      return;
    }
    case 'scale':
      // The slot may still be in the table, with what ran in it before: when its retirement could not reach the router.
      await routes.sync(service);
      await slots.apply(effect.release, service, effect.slot, effect.count, signal, scene.state.plan.id);
      return;
    case 'smoke':
      await smoke(scene, parts);
      return;
    case 'route':
    case 'unroute':
    case 'adopt':
      await routes.sync(service);
      return;
    case 'drain':
      await drain(scene, effect.slot);
      return;
    case 'stop':
      await routes.sync(service);
      await slots.remove(service, effect.slot, signal);
      return;
    case 'commit':
    case 'alarm':
      return;
  }
}

/** Through the router, so that the way users will take is tried, with a header that leads to the candidate. */
async function smoke(scene: Scene, parts: ActorParts): Promise<void> {
  const { routes, service, declared, leg, signal } = scene;
  await routes.sync(service);
  const artifactDir = await parts.releases.unpack(parts.releases.get(leg.candidate.release), signal);
  const variables = withoutPort(await scene.parts.configuration.variables(declared, signal));
  for (const check of declared.gates.smoke) {
    await scene.parts.smoke.run(
      check,
      {
        service,
        release: leg.candidate.release,
        previewUrl: `http://${scene.parts.runtime.machine}:${scene.parts.internalPort(service)}`,
        headers: { 'x-veza-arm': 'candidate', 'x-veza-preview': '1' },
        artifactDir,
        variables,
      },
      signal,
    );
  }
}

async function drain(scene: Scene, slot: Slot): Promise<void> {
  const { routes, slots, service, declared, signal } = scene;
  await routes.sync(service);
  const instances = slots.instances(service, slot);
  if (instances.length > 0) await scene.parts.router.drain(service, instances, declared.proxy.drainMs, signal);
}
