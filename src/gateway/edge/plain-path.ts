/**
 * Whether a path is below one of some prefixes, however it is written. What the gateway must keep from users would be
 * reached by `/%6detrics`, `//metrics` or `/x/../metrics` otherwise, as soon as an instance reads such a path more
 * generously than the gateway does. So everything that some server is known to read as the prefix counts as it: letters
 * of either case (Express), percent-encoding to any depth, `\` and `%2F` as `/`, doubled slashes, dot segments both
 * resolved (RFC 3986, 5.2.4) and left, `;parameters` (servlets), blanks, controls and dots at the end of a segment, and
 * `//name` in front taken for an authority (`new URL(target, base)`). A false hit is a 404, a miss is a leak.
 */
export class PathPrefixes {
  readonly #prefixes: readonly string[];
  readonly #everything: boolean;

  /** @param prefixes plain paths that start with a slash; `/` is everything */
  constructor(prefixes: readonly string[]) {
    this.#everything = prefixes.includes('/');
    this.#prefixes = prefixes
      .map((prefix) => prefix.replace(/\/+$/, '').toLowerCase())
      .filter((prefix) => prefix !== '');
  }

  /** @param path of a request, without its query */
  has(path: string): boolean {
    if (this.#everything) return true;
    const lower = path.toLowerCase();
    if (!odd.test(lower)) return this.#below(lower);
    return readings(lower).some((reading) => this.#below(reading));
  }

  #below(path: string): boolean {
    for (const prefix of this.#prefixes) {
      if (path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === slash))
        return true;
    }
    return false;
  }
}

const slash = 0x2f;
const percent = 0x25;

/** What does not stand for itself alone somewhere. */
const odd = /[^a-z0-9\-_~!$&'()*+,=:@/.]|\/[/.]|\.(?:\/|$)/;

/** The paths that servers may take a path for. */
function readings(lower: string): readonly string[] {
  const text = decoded(lower).toLowerCase().replaceAll('\\', '/');
  // eslint-disable-next-line no-control-regex -- a NUL ends a path where strings end with one
  const end = text.search(/[?#\0]/);
  const path = end === -1 ? text : text.slice(0, end);
  const whole = segmentsOf(path);
  const candidates = [whole];
  if (/^\/{2,}/.test(path)) candidates.push(whole.slice(1));
  return candidates.flatMap((segments) => [join(segments), join(resolved(segments))]);
}

/** Percent-decodes until nothing is left to decode, in one pass: what a decoded character completes is decoded, too. */
function decoded(text: string): string {
  if (!text.includes('%')) return text;
  const out: number[] = [];
  for (let i = 0; i < text.length; i += 1) {
    out.push(text.charCodeAt(i));
    for (let value = lastEscape(out); value !== -1; value = lastEscape(out)) {
      out.length -= 3;
      out.push(value);
    }
  }
  // Piece by piece: a call takes only so many arguments.
  let result = '';
  for (let i = 0; i < out.length; i += 4_096) result += String.fromCharCode(...out.slice(i, i + 4_096));
  return result;
}

function lastEscape(out: readonly number[]): number {
  const { length } = out;
  if (length < 3 || out[length - 3] !== percent) return -1;
  const high = hexDigit(out[length - 2] ?? 0);
  const low = hexDigit(out[length - 1] ?? 0);
  return high === -1 || low === -1 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

const segmentsOf = (path: string): string[] =>
  path
    .split('/')
    .map(plainSegment)
    .filter((segment) => segment !== '');

function plainSegment(segment: string): string {
  const parameters = segment.indexOf(';');
  const bare = parameters === -1 ? segment : segment.slice(0, parameters);
  if (bare === '.' || bare === '..') return bare;
  let end = bare.length;
  while (end > 0 && (bare.charCodeAt(end - 1) <= 0x20 || bare[end - 1] === '.')) end -= 1;
  // A segment of dots and blanks alone is nobody's name.
  return end === 0 ? '' : bare.slice(0, end);
}

function resolved(segments: readonly string[]): string[] {
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (segment !== '.') kept.push(segment);
  }
  return kept;
}

const join = (segments: readonly string[]): string => `/${segments.join('/')}`;
