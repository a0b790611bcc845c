import { setTimeout as sleep } from 'node:timers/promises';
import { groupMembers } from './cgroup.ts';
import type { ProcessIdentity, ProcessTable } from './process-table.ts';
import type { CgroupPlace } from './record.ts';

/**
 * Kills whatever still carries an instance's marker or sits in its control group, for instance children that outlived
 * it, and waits until it is gone. The marker in the environment survives a change of process group, and a reused pid has
 * another one; the control group also holds those that wiped their environment. What ends gives its environment back before its
 * sockets: what was seen once is waited for by its pid.
 */
export async function killLeftovers(table: ProcessTable, marker: string, place: CgroupPlace | null): Promise<void> {
  const seen = new Map<number, ProcessIdentity>();
  for (;;) {
    const marked = await table.marked(marker).catch(() => null);
    if (marked === null) {
      // Out of file descriptors, or the like: not knowing is no reason to let something run on.
      await sleep(200);
      continue;
    }
    const left = [...marked.map((one) => one.identity.pid), ...(place === null ? [] : await groupMembers(place))];
    for (const { identity } of marked) seen.set(identity.pid, identity);
    if (left.length === 0 && !(await anyAlive(table, seen.values()))) return;
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Ended between the look and the signal.
      }
    }
    await sleep(10);
  }
}

async function anyAlive(table: ProcessTable, identities: Iterable<ProcessIdentity>): Promise<boolean> {
  for (const identity of identities) if (await table.isAlive(identity)) return true;
  return false;
}
