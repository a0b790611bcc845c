import { isCommitted, type DeploymentState } from '../../core/rollout/state.ts';
import type { Environment } from '../../core/spec/platform.ts';
import type { RunningEngine } from '../../engine/start.ts';
import { RemovalRefusedError, UnknownNameError } from '../../errors.ts';
import type { Notice } from './notice.ts';

export interface RemovalParts {
  readonly running: RunningEngine;
  readonly changes: Notice;
}

const POLL_MS = 200;

/** Services that are live in an environment, or have been taken down there with it, and that its declaration does not name. */
export function undeclaredServices(
  { ledger }: Pick<RunningEngine, 'ledger'>,
  environment: Environment,
): readonly string[] {
  return [...ledger.records()]
    .filter(
      (one) =>
        one.environment === environment.name &&
        one.record.live !== null &&
        environment.services[one.service] === undefined,
    )
    .map(({ service }) => service);
}

/**
 * Takes a service that is not declared any more away: out of the router, drained, stopped. Journaled before it is done;
 * what a crash or a client that goes away leaves is done all the same.
 *
 * @returns how many instances it had
 * @throws RemovalRefusedError when it is declared, or a deployment of it is under way
 * @throws UnknownNameError when nothing of it is live
 */
export async function removeService(
  { running, changes }: RemovalParts,
  environment: Environment,
  service: string,
  by: string,
  onProgress: (progress: { readonly text: string }) => void,
  signal: AbortSignal,
): Promise<number> {
  const { engine, ledger } = running;
  const { name } = environment;
  if (environment.services[service] !== undefined) {
    throw new RemovalRefusedError(
      service,
      name,
      'it is declared there',
      `Take \`${service}\` out of veza.config.ts first, then run this again.`,
    );
  }
  const known = undeclaredServices(running, environment);
  if (!known.includes(service)) throw new UnknownNameError('live service without a declaration', service, known);
  const activeOf = (): DeploymentState | undefined =>
    ledger.active().find(({ plan }) => plan.environment === name && plan.legs.some((leg) => leg.service === service));
  // What has committed only has its old slot to put away: now instead of later.
  for (let active = activeOf(); active !== undefined; active = activeOf()) {
    const { id } = active.plan;
    if (!isCommitted(active)) {
      throw new RemovalRefusedError(
        service,
        name,
        `${id} of it is ${active.phase}`,
        `Wait for it (\`veza watch ${id}\`), or take it back (\`veza abort ${id}\`).`,
      );
    }
    if (active.supersededBy === null) {
      onProgress({ text: `${id}: the old slot is put away` });
      engine.send(id, { type: 'superseded', by: id, keepOldSlot: false });
    }
    if (activeOf() !== undefined) await changes.wait(POLL_MS, signal);
    signal.throwIfAborted();
  }

  const slots = running.isOpen(name) ? running.environment(name).slots : null;
  const instances = (['blue', 'green'] as const).flatMap((slot) => slots?.instances(service, slot) ?? []).length;
  running.remove(name, service, by);
  onProgress({ text: `${service} is taken out of the router, drained and stopped` });
  const runs = (): boolean => slots?.occupied().some((ref) => ref.service === service) ?? false;
  while (running.isOpen(name) && runs() && !signal.aborted) await changes.wait(POLL_MS, signal);
  return instances;
}
