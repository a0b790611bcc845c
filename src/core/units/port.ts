import { expected, parsed, type Parsed } from './parsed.ts';
import type { Port } from './quantities.ts';

export interface PortRange {
  readonly from: Port;
  readonly to: Port;
}

const EXPECTED_PORT = 'a port between 1 and 65535';
const EXPECTED_RANGE = 'a range of ports, lower end first, such as "42000-42999"';

/** Reads a TCP port, 1 to 65535, as a number or as digits. */
export function parsePort(input: unknown): Parsed<Port> {
  const value = typeof input === 'string' && /^\d{1,5}$/.test(input) ? Number(input) : input;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 65_535) {
    return expected(EXPECTED_PORT);
  }
  return parsed(value as Port);
}

/** Reads a range of ports with both ends included: "42000-42999". */
export function parsePortRange(input: unknown): Parsed<PortRange> {
  if (typeof input !== 'string') return expected(EXPECTED_RANGE);
  const parts = /^\s*(\d{1,5})\s*(?:-|–|:|\.\.+)\s*(\d{1,5})\s*$/.exec(input);
  const from = parsePort(parts?.[1]);
  const to = parsePort(parts?.[2]);
  if (!from.ok || !to.ok) return expected(EXPECTED_RANGE);
  if (from.value > to.value) return expected(EXPECTED_RANGE, `${to.value}-${from.value}`);
  const range = { from: from.value, to: to.value };
  return input === formatPortRange(range) ? parsed(range) : expected(EXPECTED_RANGE, formatPortRange(range));
}

/** Writes a range of ports as "42000-42999". */
export function formatPortRange(range: { readonly from: number; readonly to: number }): string {
  return `${range.from}-${range.to}`;
}
