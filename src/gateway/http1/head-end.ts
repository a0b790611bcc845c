import { CR, LF } from './octets.ts';

const END = Buffer.from('\r\n\r\n', 'latin1');

/** Of a head that is not complete, no more than this is scanned again when more of it has come. */
const SCANNED_BYTES = 2_048;

/**
 * How far it is worth to scan a head: to the end of what there is when its end has come, or a line that does not end with CRLF;
 * otherwise not far. So a long head that comes an octet at a time costs a native search and a short scan for each, and what is wrong
 * in it is found at the latest when it is complete; when it is found does not depend on how it was cut into pieces.
 */
export function scanLimit(bytes: Buffer, from: number, limit: number): number {
  if (limit - from <= SCANNED_BYTES) return limit;
  const head = bytes.subarray(from, limit);
  if (head.includes(END)) return limit;
  for (let at = head.indexOf(LF); at >= 0; at = head.indexOf(LF, at + 1)) if (head[at - 1] !== CR) return limit;
  return from + SCANNED_BYTES;
}
