import { setTimeout as sleep } from 'node:timers/promises';
import {
  backendName,
  backendVariants,
  copiedBackend,
  rescuePrefix,
  serverName,
} from '../../../core/emit/haproxy/servers.ts';
import { askWorker, pidsOf, workersOf } from './haproxy-process.ts';
import { rowsOf } from './command-socket.ts';
import type { StateFiles } from './haproxy-files.ts';

/** Milliseconds that what is left has after `drainMs`; then it is reported and reset. */
const afterDrainMs = 5_000;
const pollMs = 30;

interface Busy {
  readonly worker: number;
  readonly server: string;
  readonly requests: number;
}

/**
 * Waits until nothing is in flight to some instances in any process of HAProxy, also in those that were replaced; resets
 * what is left 5 s after `drainMs`.
 *
 * @returns how many requests were reset
 */
export async function drainServers(
  files: StateFiles,
  service: string,
  instances: readonly string[],
  drainMs: number,
  signal: AbortSignal,
): Promise<number> {
  const until = performance.now() + drainMs + afterDrainMs;
  for (;;) {
    const busy = await busyServers(files, service, instances, signal);
    if (busy.length === 0) return 0;
    if (performance.now() >= until) {
      for (const { worker, server } of busy)
        await askWorker(files, worker, `shutdown sessions server ${server}`, signal);
      return busy.reduce((sum, { requests }) => sum + requests, 0);
    }
    await sleep(pollMs, undefined, { signal });
  }
}

async function busyServers(
  files: StateFiles,
  service: string,
  instances: readonly string[],
  signal: AbortSignal,
): Promise<readonly Busy[]> {
  const { current, leaving } = await workersOf(files, signal);
  const backends = (['blue', 'green'] as const).flatMap((slot) =>
    backendVariants.map((variant) => backendName(service, slot, variant)),
  );
  backends.push(copiedBackend(service));
  const names = instances.flatMap((id) => [serverName(id), `${rescuePrefix}${serverName(id)}`]);
  const wanted = new Set(backends.flatMap((backend) => names.map((name) => `${backend}/${name}`)));
  const busy: Busy[] = [];
  for (const worker of [...(current === null ? [] : [current]), ...pidsOf(leaving)]) {
    const answer = await askWorker(files, worker, 'show stat', signal);
    for (const row of rowsOf(answer ?? '', /,/)) {
      const server = `${row['pxname']}/${row['svname']}`;
      const requests = Number(row['scur']);
      if (wanted.has(server) && requests > 0) busy.push({ worker, server, requests });
    }
  }
  return busy;
}

/** How many streams a process of HAProxy carries, or passes on to the one that replaced it. */
export async function streamsOf(files: StateFiles, worker: number, signal: AbortSignal): Promise<number> {
  const answer = await askWorker(files, worker, 'show stat', signal);
  return rowsOf(answer ?? '', /,/)
    .filter(({ pxname = '', svname }) => svname === 'BACKEND' && /(?:^next\.|\.relay$)/.test(pxname))
    .reduce((sum, { scur }) => sum + Number(scur), 0);
}
