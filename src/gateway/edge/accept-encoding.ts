export type Encoding = 'zstd' | 'br' | 'gzip';

/** What costs the gateway least for what it saves, first. */
export const preferredEncodings: readonly Encoding[] = ['zstd', 'br', 'gzip'];

const known = new Map<string, Encoding | null>();
/** Clients send a few dozen different values; more than this, and somebody is making them up. */
const mostKnown = 256;

/**
 * The encoding for a client, by `Accept-Encoding` (RFC 9110, 12.5.3): of those it takes the one with the highest weight,
 * among equals zstd before br before gzip; null when it takes none, or would rather have none.
 *
 * @param header value of the header; null when there is none
 */
export function encodingFor(header: string | null): Encoding | null {
  if (header === null) return null;
  const found = known.get(header);
  if (found !== undefined) return found;
  const encoding = choose(header);
  if (known.size >= mostKnown) known.clear();
  if (header.length <= 200) known.set(header, encoding);
  return encoding;
}

function choose(header: string): Encoding | null {
  const weights = new Map<string, number>();
  for (const item of header.split(',').slice(0, 50)) {
    const [coding = '', ...parameters] = item.split(';');
    const name = coding.trim().toLowerCase();
    const weight = weightOf(parameters);
    if (name === '' || weight === null) continue;
    // `x-gzip` is the same as gzip (RFC 9110, 8.4.1.3).
    weights.set(name === 'x-gzip' ? 'gzip' : name, weight);
  }
  const others = weights.get('*') ?? 0;
  let best: Encoding | null = null;
  // Identity is always acceptable unless it is refused, but only preferred where it has a weight of its own.
  let highest = weights.get('identity') ?? 0;
  for (const encoding of preferredEncodings) {
    const weight = weights.get(encoding) ?? others;
    if (weight > 0 && (weight > highest || (best === null && weight === highest))) {
      best = encoding;
      highest = weight;
    }
  }
  return best;
}

/** `q` of RFC 9110, 12.4.2; null for what is none. */
function weightOf(parameters: readonly string[]): number | null {
  for (const parameter of parameters) {
    const [name = '', value = ''] = parameter.split('=');
    if (name.trim().toLowerCase() !== 'q') continue;
    const text = value.trim();
    return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : null;
  }
  return 1;
}
