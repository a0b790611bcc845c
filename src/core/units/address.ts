import { expected, parsed, type Parsed } from './parsed.ts';
import { parsePort } from './port.ts';
import type { Port } from './quantities.ts';

export interface ListenAddress {
  /** IP address or host name; `0.0.0.0` when only a port was given. IPv6 without its brackets. */
  readonly host: string;
  readonly port: Port;
}

const EXPECTED = 'an address to listen on, such as "127.0.0.1:8080", "[::1]:8080", or ":8080" for every interface';

/** Reads a listen address. ":8080" listens on every IPv4 interface. */
export function parseListenAddress(input: unknown): Parsed<ListenAddress> {
  if (typeof input === 'number') return expected(EXPECTED, parsePort(input).ok ? `127.0.0.1:${input}` : null);
  if (typeof input !== 'string') return expected(EXPECTED);
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^[\]:\s/]*)):(\d{1,5})$/.exec(input);
  if (parts === null) return expected(EXPECTED, suggest(input));
  const [, ipv6, name = '', digits] = parts;
  const port = parsePort(digits);
  if (!port.ok) return expected(EXPECTED);
  if (ipv6 !== undefined) return isIpv6(ipv6) ? parsed({ host: ipv6, port: port.value }) : expected(EXPECTED);
  if (name === '') return parsed({ host: '0.0.0.0', port: port.value });
  return isHost(name) ? parsed({ host: name, port: port.value }) : expected(EXPECTED);
}

/** Writes a listen address so that {@link parseListenAddress} reads the same one back. */
export function formatListenAddress(address: { readonly host: string; readonly port: number }): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function isHost(text: string): boolean {
  if (/^[\d.]+$/.test(text)) return isIpv4(text);
  return (
    text.length <= 253 && text.split('.').every((label) => /^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/.test(label))
  );
}

function isIpv4(text: string): boolean {
  const bytes = text.split('.');
  return bytes.length === 4 && bytes.every((byte) => /^(0|[1-9]\d{0,2})$/.test(byte) && Number(byte) <= 255);
}

/** RFC 4291 section 2.2: eight groups, one run of them may be written `::`, the last two may be an IPv4 address. */
function isIpv6(text: string): boolean {
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  let count = groups.length;
  const last = groups.at(-1);
  if (last?.includes('.') === true) {
    if (!isIpv4(last) || text.endsWith('::')) return false;
    groups.pop();
    count += 1;
  }
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return false;
  return halves.length === 2 ? count <= 7 : count === 8;
}

function suggest(text: string): string | null {
  const bare = text
    .trim()
    .replace(/^https?:\/\//, '')
    .replace(/\/$/, '');
  if (parsePort(bare).ok) return `127.0.0.1:${Number(bare)}`;
  return bare !== text && parseListenAddress(bare).ok ? bare : null;
}
