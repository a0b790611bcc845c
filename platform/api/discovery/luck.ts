import { hash } from 'node:crypto';

const SPAN = 2 ** 48;

/**
 * A number strictly between 0 and 1 for an id, evenly spread, that has nothing to do with the id's order and is another one under
 * another seed. The same for the same two texts, always and everywhere.
 */
export function luck(seed: string, id: string): number {
  return (hash('sha256', `${seed}\n${id}`, 'buffer').readUIntBE(0, 6) + 0.5) / SPAN;
}
