// What a request is called when requests are counted by route: enough to find the broken part of a program, and nothing
// that tells one thing or one person from another. Pure and bounded: paths come from anybody.

/** What labels one too many are counted as. */
export const otherRoute = 'other';

/** In place of a segment that identifies something. */
const ID = ':id';
/** In place of everything behind the last segment that is looked at. */
const REST = '*';

const MOST_SEGMENTS = 8;
const LONGEST_SEGMENT = 40;
/** Characters of a path that are looked at. */
const MOST_CHARACTERS = 400;
/** A segment with a digit in it that is longer than this is no word. */
const LONGEST_WITH_DIGIT = 16;
/** Letters and digits a to f only, at least so many of them: a hash, a part of one, an object's number. */
const SHORTEST_HEX = 8;

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** `v1`, `v2.1`, `v1beta2`: of an interface, not of a thing. */
const version = /^v\d{1,2}(?:\.\d{1,2})?(?:(?:alpha|beta|rc)\d{0,2})?$/;

/**
 * Method and path without what identifies things or people: `GET /orders/:id`. Numbers, UUIDs, hexadecimal of eight digits and
 * more, segments with two digits or with one and more than 16 characters, addresses of mail, what is percent-encoded, and
 * whatever else is no plain word become `:id`; the version of an interface (`v1`) stays. A name that looks like any other word
 * (`/users/anna`) cannot be told from one. Labels of labels are the same labels.
 *
 * Never longer than 400 characters and the method; looks at no more of the path than that.
 *
 * @param method methods other than the usual seven are `OTHER`
 * @param path from its first slash, with or without query
 */
export function routeLabel(method: string, path: string): string {
  const label = methods.has(method) ? `${method} ` : 'OTHER ';
  const looked = path.length > MOST_CHARACTERS ? path.slice(0, MOST_CHARACTERS) : path;
  return label + segmentsOf(looked, looked.length < path.length);
}

/** @param more it goes on behind what there is of it */
function segmentsOf(path: string, more: boolean): string {
  let label = '';
  const end = endOf(path);
  let from = path.charCodeAt(0) === slash ? 1 : 0;
  for (let segments = 0; segments < MOST_SEGMENTS; segments += 1) {
    let to = path.indexOf('/', from);
    if (to === -1 || to > end) to = end;
    const cut = more && to === path.length;
    label += cut || identifies(path, from, to) ? `/${ID}` : `/${path.slice(from, to)}`;
    if (to >= end) return cut ? withRest(label) : label;
    from = to + 1;
  }
  return withRest(label);
}

const slash = 0x2f;

const withRest = (label: string): string => `${label}/${REST}`;

/** Where the part of a path ends that is looked at: before query and fragment. */
function endOf(path: string): number {
  for (let i = 0; i < path.length; i += 1) {
    const octet = path.charCodeAt(i);
    if (octet === 0x3f || octet === 0x23) return i;
  }
  return path.length;
}

/** What a segment consists of, by character: 0 does not belong in a word. */
const kinds = new Uint8Array(128);
const [LETTER, HEX_LETTER, DIGIT, MARK] = [1, 2, 3, 4] as const;
for (const letter of 'ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ') kinds[letter.charCodeAt(0)] = LETTER;
for (const letter of 'abcdefABCDEF') kinds[letter.charCodeAt(0)] = HEX_LETTER;
for (const digit of '0123456789') kinds[digit.charCodeAt(0)] = DIGIT;
for (const mark of '-_.*') kinds[mark.charCodeAt(0)] = MARK;

/** Whether a part of a path stands for a thing or a person. */
function identifies(path: string, from: number, to: number): boolean {
  const length = to - from;
  if (length > LONGEST_SEGMENT) return true;
  let digits = 0;
  let hex = 0;
  for (let i = from; i < to; i += 1) {
    const octet = path.charCodeAt(i);
    const kind = octet < 128 ? kinds[octet] : 0;
    if (kind === DIGIT) digits += 1;
    else if (kind === HEX_LETTER) hex += 1;
    else if (kind !== LETTER && kind !== MARK) return true;
  }
  if (hex + digits === length && length >= SHORTEST_HEX) return true;
  if (digits === 0) return false;
  if (digits === length) return true;
  if (digits === 1 && length <= LONGEST_WITH_DIGIT) return false;
  return !version.test(path.slice(from, to));
}

/** A `traceparent` (https://www.w3.org/TR/trace-context/, 3.2): version, trace, parent, flags; later versions may go on. */
const traceparent = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

/** The trace that a request belongs to; null when the header is not valid, or missing. */
export function traceIdOf(header: string | null): string | null {
  if (header === null || header.length > 512) return null;
  const found = traceparent.exec(header);
  if (found === null || (found[1] === '00' && found[3] !== undefined)) return null;
  return found[2] ?? null;
}

/** An `x-request-id` that may be shown to people: visible ASCII, up to 64 characters; otherwise null. */
export const plainRequestId = (header: string | null): string | null =>
  header !== null && /^[\x21-\x7e]{1,64}$/.test(header) ? header : null;
