import type { DeploymentEvent } from '../core/rollout/event.ts';
import { Ledger } from '../core/rollout/ledger.ts';
import type { DeploymentState } from '../core/rollout/state.ts';
import type { Entry, Journal } from '../store/journal.ts';

/** Kind of the entry that closes a deployment's stream with its final state, so that it is never folded again. */
export const ENDED = 'ended';
/** Stream of what belongs to no deployment. */
export const WORLD = 'world';

/**
 * Rebuilds the ledger from the journal. A deployment that has ended is taken from its last entry as it was then: rules that
 * have changed since do not rewrite history. One that has not ended is folded event by event.
 *
 * @param onWorld gets the entries that belong to no deployment
 */
export function recover(journal: Journal, onWorld: (entry: Entry) => void = () => {}): Ledger {
  const ledger = new Ledger();
  const open = new Map<string, Entry[]>();
  for (const entry of journal.read(0)) {
    if (entry.stream === WORLD) {
      onWorld(entry);
    } else if (entry.kind === ENDED) {
      // Its commit must take effect before later deployments of the same services are folded.
      open.delete(entry.stream);
      ledger.put((entry.body as unknown as { readonly state: DeploymentState }).state);
    } else {
      const entries = open.get(entry.stream);
      if (entries === undefined) open.set(entry.stream, [entry]);
      else entries.push(entry);
    }
  }
  for (const [id, entries] of open) {
    for (const entry of entries)
      ledger.fold(id, (entry.body as unknown as { readonly event: DeploymentEvent }).event, entry.time);
  }
  return ledger;
}
