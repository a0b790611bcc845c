import { CapacityError } from '../../../errors.ts';
import type { SlotDesire } from '../runtime.ts';
import { availableMemory, checkMemory, instancesInWords } from '../supervision/memory.ts';
import type { Ports } from '../supervision/ports.ts';

/**
 * Checks that `count` more instances fit.
 * @throws CapacityError naming what is short, with figures
 */
export async function checkCapacity(desire: SlotDesire, count: number, ports: Ports): Promise<void> {
  if (count <= 0) return;
  const { service } = desire.ref;
  const needed = desire.metrics === true ? 2 * count : count;
  const free = await ports.countFree(needed);
  if (free < needed) {
    const { from, to } = ports.range;
    const each = desire.metrics === true ? ', and each needs two (one for its metrics)' : '';
    throw new CapacityError(
      `No room for ${instancesInWords(count)} of ${service}: ${free} of the ports ${from}-${to} ${free === 1 ? 'is' : 'are'} free${each}.`,
      'Widen `target.ports` in veza.config.ts, or stop what uses the ports.',
    );
  }
  checkMemory(desire, count, await availableMemory());
}
