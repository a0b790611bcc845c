import type { ByteRange } from '../storage/object-storage.ts';

/** What a Range header asks of a content: all of it, a part, or something that it does not have. */
export type RangeWish =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly range: ByteRange }
  | { readonly kind: 'unsatisfiable' };

const WHOLE: RangeWish = { kind: 'whole' };
const UNSATISFIABLE: RangeWish = { kind: 'unsatisfiable' };

/**
 * Reads a Range header (RFC 9110, section 14). What is not well-formed, of another unit than bytes, or of several ranges is
 * answered with the whole, as the RFC allows: nothing that plays audio asks for several, and each of them would cost a read.
 *
 * @param bytes length of the content
 */
export function parseRange(header: string | undefined, bytes: number): RangeWish {
  const found = /^bytes=[\t ]*(\d*)-(\d*)[\t ]*$/i.exec(header ?? '');
  if (found === null) return WHOLE;
  const [, from = '', to = ''] = found;
  if (from === '') {
    if (to === '') return WHOLE;
    const length = Number(to);
    if (length === 0) return UNSATISFIABLE;
    return bytes === 0 ? WHOLE : part(Math.max(0, bytes - length), bytes - 1);
  }
  const first = Number(from);
  const last = to === '' ? bytes - 1 : Number(to);
  if (to !== '' && last < first) return WHOLE;
  return first >= bytes ? UNSATISFIABLE : part(first, Math.min(last, bytes - 1));
}

function part(first: number, last: number): RangeWish {
  return { kind: 'part', range: { first, last } };
}
