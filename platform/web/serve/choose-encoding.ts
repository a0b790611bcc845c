export const ENCODINGS = ['br', 'gzip'] as const;

export type Encoding = (typeof ENCODINGS)[number] | 'identity';

/**
 * Chooses the form in which a file is sent (RFC 9110, section 12.5.3): the one that the client likes best of those there,
 * Brotli before gzip when it does not care. A client that refuses all of them gets the file as it is.
 *
 * @param header value of Accept-Encoding, or undefined
 * @param available forms of this file besides `identity`
 */
export function chooseEncoding(header: string | undefined, available: readonly Encoding[]): Encoding {
  if (header === undefined) return 'identity';
  const wishes = new Map<string, number>();
  for (const part of header.split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    if (name !== '') wishes.set(name === 'x-gzip' ? 'gzip' : name, weight(parameters));
  }
  const wish = (encoding: string): number => wishes.get(encoding) ?? wishes.get('*') ?? 0;
  let best: Encoding = 'identity';
  let bestWish = 0;
  for (const encoding of ENCODINGS) {
    if (available.includes(encoding) && wish(encoding) > bestWish) {
      best = encoding;
      bestWish = wish(encoding);
    }
  }
  return (wishes.get('identity') ?? 0) > bestWish ? 'identity' : best;
}

function weight(parameters: readonly string[]): number {
  const quality = parameters.find((parameter) => parameter.startsWith('q='));
  if (quality === undefined) return 1;
  const value = Number(quality.slice(2));
  return value >= 0 && value <= 1 ? value : 0;
}
