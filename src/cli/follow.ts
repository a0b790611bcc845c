import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../api/client.ts';
import type { DeploymentView } from '../api/schemas.ts';
import { hasEnded } from './render/deployment.ts';
import { ControlPlaneLostError, ControlPlaneNotRunningError } from '../errors.ts';

export interface FollowOptions {
  readonly signal: AbortSignal;
  readonly onView: (view: DeploymentView) => void;
  /** UTC milliseconds since when the control plane is away; null when it is there (again). */
  readonly onAway: (since: number | null) => void;
  /** Follow until this holds; final views always end it. */
  readonly until: (view: DeploymentView) => boolean;
  readonly now: () => number;
  /** How long a control plane may be away before giving up. */
  readonly patienceMs: number;
}

const RETRY_MS = 500;

/**
 * Follows a deployment to its end, over a control plane that dies and comes back: the deployment goes on, so does this.
 * Returns the last view. Throws what the API refuses, and ControlPlaneLostError when patience ends.
 */
export async function followDeployment(client: ApiClient, id: string, options: FollowOptions): Promise<DeploymentView> {
  let last: DeploymentView | null = null;
  let awaySince: number | null = null;
  for (;;) {
    const enough = new AbortController();
    const signal = AbortSignal.any([options.signal, enough.signal]);
    try {
      await client.stream(
        'watch',
        { params: { id } },
        {
          signal,
          onItem: (view) => {
            if (awaySince !== null) options.onAway(null);
            awaySince = null;
            last = view;
            options.onView(view);
            if (options.until(view)) enough.abort();
          },
        },
      );
      if (last !== null && (hasEnded(last) || options.until(last))) return last;
      // A control plane that is stopped ends its streams in good order.
      throw new ControlPlaneLostError('it ended its answer before the deployment did');
    } catch (error) {
      if (enough.signal.aborted && !options.signal.aborted && last !== null) return last;
      if (!(error instanceof ControlPlaneLostError || error instanceof ControlPlaneNotRunningError)) throw error;
      // Never seen anything: then it is not away, it is not there.
      if (last === null && error instanceof ControlPlaneNotRunningError) throw error;
      awaySince ??= options.now();
      options.onAway(awaySince);
      if (options.now() - awaySince > options.patienceMs) throw error;
      await sleep(RETRY_MS, undefined, { signal: options.signal });
    }
  }
}
