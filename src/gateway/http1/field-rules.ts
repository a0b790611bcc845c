import { hostOctets, isToken } from './octets.ts';

// What the fields that frame, address and hold a connection may say. Everything that two programs could read in two ways is
// not read at all.

/** @returns the bytes, or null when the value is not one plain decimal number: signs, lists, leading zeros, above 2^53 - 1 */
export function readContentLength(value: string): number | null {
  const { length } = value;
  if (length === 0 || length > 16 || (length > 1 && value.charCodeAt(0) === 0x30)) return null;
  let bytes = 0;
  for (let i = 0; i < length; i += 1) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return null;
    bytes = bytes * 10 + digit;
  }
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** The only transfer coding there is here; its name is not case-sensitive (RFC 9112, 7). */
export const isChunked = (value: string): boolean => value === 'chunked' || value.toLowerCase() === 'chunked';

const KEEP = 1;
const CLOSE = 2;
const UPGRADE = 4;

/** The options of a Connection header that matter to its connection, as bits: see `keepsAlive` and `asksUpgrade`. */
export function readConnection(value: string): number {
  if (value === 'keep-alive' || value === 'Keep-Alive') return KEEP;
  if (value === 'close') return CLOSE;
  let options = 0;
  for (const part of value.toLowerCase().split(',')) {
    const option = part.trim();
    if (option === 'keep-alive') options |= KEEP;
    else if (option === 'close') options |= CLOSE;
    else if (option === 'upgrade') options |= UPGRADE;
  }
  return options;
}

/** RFC 9112, 9.3: `close` wins; HTTP/1.1 keeps by itself, HTTP/1.0 when asked. */
export const keepsAlive = (options: number, version: '1.0' | '1.1'): boolean =>
  (options & CLOSE) === 0 && (version === '1.1' || (options & KEEP) !== 0);

export const asksUpgrade = (options: number): boolean => (options & UPGRADE) !== 0;

/**
 * The protocols of an Upgrade header, or null when none of it may be passed on: HTTP and TLS inside a connection would reach the
 * instance past the gateway ("h2c smuggling", bishopfox.com/blog/h2c-smuggling-request).
 */
export function readUpgrade(value: string): string | null {
  for (const part of value.split(',')) {
    const [name, version, more] = part.trim().split('/');
    if (name === undefined || more !== undefined || !isToken(name)) return null;
    if (version !== undefined && !isToken(version)) return null;
    if (['h2', 'h2c', 'http', 'tls'].includes(name.toLowerCase())) return null;
  }
  return value;
}

/**
 * Whether a text is a host with or without a port, as in Host and in absolute targets: a name, an IPv4 address or an IPv6 address
 * in brackets. Narrower than RFC 3986: no percent-encoding, no user, no empty port.
 */
export function isAuthority(text: string): boolean {
  const { length } = text;
  if (length === 0 || length > 261) return false;
  let i = 0;
  if (text.charCodeAt(0) === 0x5b) {
    const close = text.indexOf(']');
    if (close < 3 || !isIpv6(text.slice(1, close))) return false;
    i = close + 1;
  } else {
    while (i < length && hostOctets[text.charCodeAt(i)] === 1) i += 1;
    if (i === 0) return false;
  }
  if (i === length) return true;
  if (text.charCodeAt(i) !== 0x3a || i + 1 === length || length - i > 6) return false;
  let port = 0;
  for (i += 1; i < length; i += 1) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65_535;
}

function isIpv6(text: string): boolean {
  return /^[0-9A-Fa-f:.]{2,45}$/.test(text) && URL.canParse(`http://[${text}]/`);
}
