import { CR, LF } from './octets.ts';

const END = Buffer.from('\r\n\r\n', 'latin1');

/** Heads up to this many bytes are scanned whenever more of them has come. */
const SMALL_BYTES = 2_048;

/**
 * Whether it is worth to scan a head: it is small, or its end has come, or a line that does not end with CRLF. So a long head that comes
 * a byte at a time costs a native search for each byte, not a scan.
 */
export function endOfHead(bytes: Buffer, from: number, limit: number): boolean {
  if (limit - from <= SMALL_BYTES) return true;
  const head = bytes.subarray(from, limit);
  if (head.includes(END)) return true;
  for (let at = head.indexOf(LF); at >= 0; at = head.indexOf(LF, at + 1)) if (head[at - 1] !== CR) return true;
  return false;
}
