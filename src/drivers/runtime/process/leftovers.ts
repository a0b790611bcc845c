import { setTimeout as sleep } from 'node:timers/promises';
import { groupMembers } from './cgroup.ts';
import type { ProcessTable } from './process-table.ts';
import type { CgroupPlace } from './record.ts';

/**
 * Kills whatever still carries an instance's marker or sits in its control group, for instance children that outlived
 * it, and waits until it is gone. The marker in the environment survives a change of process group, and a reused pid has
 * another one; the control group also holds those that wiped their environment.
 */
export async function killLeftovers(table: ProcessTable, marker: string, place: CgroupPlace | null): Promise<void> {
  for (;;) {
    const marked = await table.marked(marker).catch(() => null);
    if (marked === null) {
      // Out of file descriptors, or the like: not knowing is no reason to let something run on.
      await sleep(200);
      continue;
    }
    const left = [...marked.map((one) => one.identity.pid), ...(place === null ? [] : await groupMembers(place))];
    if (left.length === 0) return;
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
