import type { ApiClient } from '../api/client.ts';
import type { DeploymentView } from '../api/schemas.ts';
import { ExitStatus } from '../errors.ts';
import { followDeployment } from './follow.ts';
import { liveDisplay } from './live.ts';
import { hasEnded, type Labels, outcomeLines } from './render/deployment.ts';
import { paint } from './render/style.ts';
import type { VerbContext } from './verb.ts';

export interface WatchSettings {
  /** To the very end, not only to the commit. */
  readonly waitRetired: boolean;
  readonly labels: Labels;
}

/** How long a control plane may be away. */
const PATIENCE_MS = 120_000;
const WARM_PATIENCE_MS = 2_000;

/** Shows deployments until each has committed or ended, says what happened, and returns the exit status. */
export async function watchDeployments(
  context: VerbContext,
  client: ApiClient,
  ids: readonly string[],
  settings: WatchSettings,
): Promise<ExitStatus> {
  const { terminal, now, interrupt, json } = context;
  const live = json ? null : liveDisplay(terminal, now, settings.labels);
  const enough = (view: DeploymentView): boolean => {
    if (hasEnded(view) || view.phase === 'stuck') return true;
    if (view.committedAt === null || settings.waitRetired) return false;
    // A moment later it is known how long the old slot stays warm, and that is worth saying.
    return view.warmUntil !== null || now() - view.committedAt > WARM_PATIENCE_MS;
  };
  let views: readonly DeploymentView[];
  // One that fails stops the others from being watched, too.
  const abort = new AbortController();
  try {
    views = await Promise.all(
      ids.map((id) =>
        followDeployment(client, id, {
          signal: AbortSignal.any([interrupt, abort.signal]),
          now,
          patienceMs: PATIENCE_MS,
          until: enough,
          onView: (view) => {
            if (json) terminal.out(JSON.stringify(view));
            else live?.update(view);
          },
          onAway: (since) => live?.away(since),
        }),
      ),
    );
  } catch (error) {
    abort.abort();
    live?.end();
    if (!interrupt.aborted) throw error;
    sayHowToComeBack(context, ids);
    return ExitStatus.interrupted;
  }
  live?.end();
  if (!json) {
    const { style } = terminal;
    for (const view of views) {
      for (const line of outcomeLines(view, { style, now: now(), labels: settings.labels })) terminal.out(line);
    }
  }
  return worst(views);
}

function sayHowToComeBack({ terminal }: VerbContext, ids: readonly string[]): void {
  const { style } = terminal;
  for (const id of ids) {
    terminal.note(`${paint(style, 'bold', id)} goes on without you.`);
    terminal.note(`  Come back: \`veza watch ${id}\`. Stop it: \`veza abort ${id}\`.`);
  }
}

/** Exit status of a deployment that has ended or committed. */
export function statusOf(view: DeploymentView): ExitStatus {
  if (view.phase === 'refused') return ExitStatus.refused;
  if (view.phase === 'reverted' || view.phase === 'reverting' || view.phase === 'stuck') return ExitStatus.reverted;
  return ExitStatus.ok;
}

/** Taken back counts more than refused, refused more than good. */
export const worst = (views: readonly DeploymentView[]): ExitStatus =>
  views.map(statusOf).reduce<ExitStatus>((most, status) => (status > most ? status : most), ExitStatus.ok);
