import { expected, parsed, type Parsed } from './parsed.ts';

/** An IPv4 network, read. */
export interface Subnet {
  /** As it is written: `10.213.0.0/24`. */
  readonly text: string;
  /** Its lowest address, as a number of 32 bits. */
  readonly base: number;
  /** Addresses in it, the lowest (the network) and the highest (broadcast) included. */
  readonly size: number;
}

const EXPECTED = 'a private IPv4 network of 8 to 65,536 addresses, such as "10.213.0.0/24"';

/**
 * Reads a private IPv4 network (RFC 1918) in the notation of RFC 4632. The address must be that of the network: what
 * somebody meant by "10.213.0.7/24" cannot be known, and is suggested instead.
 */
export function parseSubnet(input: unknown): Parsed<Subnet> {
  if (typeof input !== 'string') return expected(EXPECTED);
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(input);
  const [, ...numbers] = parts?.map(Number) ?? [];
  const [a = 256, b = 256, c = 256, d = 256, bits = 0] = numbers;
  if (Math.max(a, b, c, d) > 255 || bits < 16 || bits > 29) return expected(EXPECTED);
  const size = 2 ** (32 - bits);
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  const base = address - (address % size);
  if (!isPrivate(a, b)) return expected(EXPECTED);
  const text = `${formatIpv4(base)}/${bits}`;
  return text === input ? parsed({ text, base, size }) : expected(EXPECTED, text);
}

/** RFC 1918, section 3. */
const isPrivate = (a: number, b: number): boolean =>
  a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168);

/** Dotted decimal notation of an address of 32 bits. */
export const formatIpv4 = (address: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
