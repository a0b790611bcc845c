import { COLON, CR, LF, SP, TAB, tokenOctets } from './octets.ts';

/** The bytes end before the section does. */
export const INCOMPLETE = -1;
/** The section can never be read: `fault` and `status` say why. */
export const FAULTY = -2;

/**
 * Finds the lines of a field section (RFC 9112, 5): headers or trailers. It makes no strings, so that bytes which are refused,
 * or not complete, cost little. One is used again and again: its marks are those of the last scan.
 */
export class FieldSection {
  /** Four offsets a field: its name from and to, its value from and to, without the white space around it. */
  marks = new Int32Array(4 * 128);
  count = 0;
  fault = '';
  status: 400 | 431 = 400;

  /**
   * @param at where the first line begins
   * @param limit nothing at or behind this offset is looked at
   * @returns the offset behind the empty line that ends the section, INCOMPLETE or FAULTY
   */
  scan(bytes: Buffer, at: number, limit: number, maxFields: number): number {
    if (this.marks.length < 4 * maxFields) this.marks = new Int32Array(4 * maxFields);
    const marks = this.marks;
    let count = 0;
    let i = at;
    while (i < limit) {
      const first = bytes[i] as number;
      if (first === CR) {
        if (i + 1 >= limit) return INCOMPLETE;
        if (bytes[i + 1] !== LF) return this.#refuse('a CR without LF');
        this.count = count;
        return i + 2;
      }
      if (count === maxFields) {
        this.status = 431;
        this.fault = `more than ${maxFields} fields`;
        return FAULTY;
      }
      const nameFrom = i;
      while (i < limit && tokenOctets[bytes[i] as number] === 1) i += 1;
      if (i >= limit) return INCOMPLETE;
      if (bytes[i] !== COLON || i === nameFrom)
        return this.#refuse(wrongName(bytes[i] as number, i === nameFrom, count));
      const nameTo = i;
      i += 1;
      while (i < limit && (bytes[i] === SP || bytes[i] === TAB)) i += 1;
      const valueFrom = i;
      while (i < limit) {
        const octet = bytes[i] as number;
        if (octet < 0x20 ? octet !== TAB : octet === 0x7f) break;
        i += 1;
      }
      if (i >= limit) return INCOMPLETE;
      if (bytes[i] !== CR) return this.#refuse(bytes[i] === LF ? 'a LF without CR' : 'a control character in a value');
      if (i + 1 >= limit) return INCOMPLETE;
      if (bytes[i + 1] !== LF) return this.#refuse('a CR without LF');
      let valueTo = i;
      while (valueTo > valueFrom && (bytes[valueTo - 1] === SP || bytes[valueTo - 1] === TAB)) valueTo -= 1;
      const mark = 4 * count;
      marks[mark] = nameFrom;
      marks[mark + 1] = nameTo;
      marks[mark + 2] = valueFrom;
      marks[mark + 3] = valueTo;
      count += 1;
      i += 2;
    }
    return INCOMPLETE;
  }

  /**
   * Whether there is a tab behind the value of a field that was scanned. It may be there, but not all programs take it away, and then
   * `chunked` is not `chunked` (llhttp 9).
   */
  endsWithTab(bytes: Buffer, field: number): boolean {
    for (let i = this.marks[4 * field + 3] as number; bytes[i] !== CR; i += 1) if (bytes[i] === TAB) return true;
    return false;
  }

  #refuse(fault: string): typeof FAULTY {
    this.status = 400;
    this.fault = fault;
    return FAULTY;
  }
}

function wrongName(octet: number, atStart: boolean, before: number): string {
  if (octet === LF) return 'a LF without CR';
  if (octet === CR) return 'a field without a colon';
  if (octet === COLON) return 'an empty field name';
  if (octet !== SP && octet !== TAB) return 'a field name that is not a token';
  if (!atStart) return 'white space in a field name or before its colon';
  return before === 0 ? 'white space before the first field' : 'obsolete line folding';
}
