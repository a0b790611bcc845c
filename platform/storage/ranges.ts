import type { ByteRange } from './object-storage.ts';

/** @throws RangeError when the range does not lie within an object of that many bytes */
export function assertRange({ first, last }: ByteRange, bytes: number): void {
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last) || first < 0 || first > last || last >= bytes) {
    throw new RangeError(`no range of an object of ${bytes} bytes`);
  }
}
