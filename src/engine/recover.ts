import { Ledger } from '../core/rollout/ledger.ts';
import { ENDED, REMOVED, WORLD, type JournaledEnd, type JournaledEvent, type JournaledRemoval } from './entries.ts';
import type { Entry, Journal } from '../store/journal.ts';

/**
 * Rebuilds the ledger from the journal. A deployment that has ended is taken from its last entry as it was then: rules that
 * have changed since do not rewrite history. One that has not ended is folded event by event.
 *
 * @param onEntry gets every entry, those that belong to no deployment too, in order
 */
export function recover(journal: Journal, onEntry: (entry: Entry) => void = () => {}): Ledger {
  const ledger = new Ledger();
  const open = new Map<string, Entry[]>();
  for (const entry of journal.read(0)) {
    onEntry(entry);
    if (entry.stream === WORLD) {
      if (entry.kind !== REMOVED) continue;
      // All deployments of it had ended by then.
      const { environment, service } = entry.body as unknown as JournaledRemoval;
      ledger.remove(environment, service);
    } else if (entry.kind === ENDED) {
      // Its commit must take effect before later deployments of the same services are folded.
      open.delete(entry.stream);
      ledger.put((entry.body as unknown as JournaledEnd).state);
    } else {
      const entries = open.get(entry.stream);
      if (entries === undefined) open.set(entry.stream, [entry]);
      else entries.push(entry);
    }
  }
  for (const [id, entries] of open) {
    for (const entry of entries) ledger.fold(id, (entry.body as unknown as JournaledEvent).event, entry.time);
  }
  return ledger;
}
