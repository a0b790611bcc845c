// A control plane that kills itself (SIGKILL: no handler, no clean-up) right before or right after the journal append
// number N, counted from the one that requests the next deployment, that one being 1.
// node control-plane-with-kill.ts --project DIR --state-dir DIR [--kill-at N --side before|after] --notes FILE
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { controlSocketPath } from '../../src/api/local-socket.ts';
import { VERSION } from '../../src/api/version.ts';
import { composeControlPlane } from '../../src/server/compose.ts';
import { startHttpServer } from '../../src/server/http-server.ts';
import type { Journal, NewEntry } from '../../src/store/journal.ts';

const { values } = parseArgs({
  options: {
    project: { type: 'string' },
    'state-dir': { type: 'string' },
    'kill-at': { type: 'string', default: '0' },
    side: { type: 'string', default: 'before' },
    notes: { type: 'string' },
  },
});
const { project: projectDir, 'state-dir': stateDir, notes } = values;
if (projectDir === undefined || stateDir === undefined || notes === undefined)
  throw new TypeError('an option is missing');
const killAt = Number(values['kill-at']);
let count = 0;

function wrapJournal(journal: Journal): Journal {
  return {
    append(entries, durability) {
      if (count > 0 || entries.some(({ kind }) => kind === 'requested')) count += 1;
      if (count > 0) appendFileSync(notes ?? '', `${count} ${nameOf(entries)}\n`);
      const now = count === killAt && killAt > 0;
      if (now && values.side === 'before') process.kill(process.pid, 'SIGKILL');
      const appended = journal.append(entries, durability);
      if (now) process.kill(process.pid, 'SIGKILL');
      return appended;
    },
    read: (afterSeq, limit) => journal.read(afterSeq, limit),
    head: () => journal.head(),
    verify: () => journal.verify(),
    close: () => journal.close(),
  };
}

/** `effect-done dep_3/0/stepping-0/5`, or the kinds of what is appended together. */
function nameOf(entries: readonly NewEntry[]): string {
  return entries
    .map(({ kind, body }) => {
      const event = (body as { readonly event?: { readonly id?: string; readonly arm?: string } }).event;
      const what = event?.id ?? event?.arm;
      return what === undefined ? kind : `${kind} ${what}`;
    })
    .join(' + ');
}

const log = (line: string): void => void process.stdout.write(`${new Date().toISOString()} ${line}\n`);
const composed = await composeControlPlane({ projectDir, stateDir, log, wrapJournal });
const server = await startHttpServer({
  controlPlane: composed.controlPlane,
  version: VERSION,
  socketPath: controlSocketPath(stateDir),
  log,
  onDown: () => {
    void server
      .close()
      .then(() => composed.close())
      .then(() => process.exit(0));
  },
});
process.send?.('ready');
