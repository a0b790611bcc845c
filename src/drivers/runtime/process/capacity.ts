import { readFile } from 'node:fs/promises';
import { freemem } from 'node:os';
import { bytesInWords } from '../../../core/plan/words.ts';
import { CapacityError } from '../../../errors.ts';
import type { SlotDesire } from '../runtime.ts';
import type { Ports } from './ports.ts';

/** Memory that can be used without swapping, in bytes: MemAvailable of proc_meminfo(5) where there is one. */
async function availableMemory(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
  return kilobytes === undefined ? freemem() : Number(kilobytes) * 1024;
}

const instancesInWords = (count: number): string => (count === 1 ? '1 instance' : `${count} instances`);

/**
 * Checks that `count` more instances fit.
 * @throws CapacityError naming what is short, with figures
 */
export async function checkCapacity(desire: SlotDesire, count: number, ports: Ports): Promise<void> {
  if (count <= 0) return;
  const { service } = desire.ref;
  const free = await ports.countFree(count);
  if (free < count) {
    const { from, to } = ports.range;
    throw new CapacityError(
      `No room for ${instancesInWords(count)} of ${service}: ${free} of the ports ${from}-${to} ${free === 1 ? 'is' : 'are'} free.`,
      'Widen `target.ports` in veza.config.ts, or stop what uses the ports.',
    );
  }
  const { memory } = desire.limits;
  if (memory === null) return;
  const available = await availableMemory();
  if (memory * count > available) {
    throw new CapacityError(
      `No room for ${instancesInWords(count)} of ${service}: ${bytesInWords(memory * count)} of memory needed ` +
        `(${count} x ${bytesInWords(memory)}), ${bytesInWords(available)} available.`,
      'Lower `limits.memory` or `instances`, or free memory on this machine.',
    );
  }
}
