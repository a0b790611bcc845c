import { expected, parsed, type Parsed } from './parsed.ts';
import type { Bytes } from './quantities.ts';

/** Decimal units count in thousands (SI), binary ones in 1024s (IEC 80000-13). */
const UNITS = new Map<string, number>([
  ['TiB', 1024 ** 4],
  ['TB', 1000 ** 4],
  ['GiB', 1024 ** 3],
  ['GB', 1000 ** 3],
  ['MiB', 1024 ** 2],
  ['MB', 1000 ** 2],
  ['KiB', 1024],
  ['kB', 1000],
  ['B', 1],
]);

const EXPECTED = 'a size with its unit, such as "256MB" (256 × 1000 × 1000) or "1GiB" (1024 × 1024 × 1024)';

/**
 * Reads a size in bytes: `B`, `kB` (or `KB`), `MB`, `GB`, `TB` count in thousands, `KiB`, `MiB`, `GiB`, `TiB` in 1024s.
 * Fractions are allowed when they come out at whole bytes ("1.5GB").
 */
export function parseSize(input: unknown): Parsed<Bytes> {
  if (typeof input === 'number') {
    return expected(EXPECTED, Number.isSafeInteger(input) && input > 0 ? formatSize(input) : null);
  }
  if (typeof input !== 'string') return expected(EXPECTED);
  const bytes = bytesOf(input);
  return bytes === null ? expected(EXPECTED, suggest(input)) : parsed(bytes as Bytes);
}

/** Writes a size with the largest unit that divides it, so that {@link parseSize} reads the same value back. */
export function formatSize(bytes: number): string {
  for (const [unit, size] of UNITS) {
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}

function bytesOf(text: string): number | null {
  const parts = /^(\d{1,16}(?:\.\d{1,6})?)([A-Za-z]+)$/.exec(text);
  if (parts === null) return null;
  const [, amount = '', unit = ''] = parts;
  const size = UNITS.get(unit === 'KB' ? 'kB' : unit);
  if (size === undefined) return null;
  const bytes = Number(amount) * size;
  // 0.1 × 1000³ is not whole in binary floating point although it is on paper.
  const rounded = Math.round(bytes);
  return Number.isSafeInteger(rounded) && Math.abs(bytes - rounded) < 1e-3 ? rounded : null;
}

function suggest(text: string): string | null {
  const parts = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$/i.exec(text);
  if (parts === null) return null;
  const [, amount = '', word = ''] = parts;
  const letters = word.toLowerCase();
  const prefix = letters.charAt(0).toUpperCase();
  let unit = [...UNITS.keys()].find((name) => name.toLowerCase() === letters);
  // Kubernetes and Docker write "256Mi" and "256M".
  if (/^[kmgt]i$/.test(letters)) unit = `${prefix}iB`;
  else if (/^[kmgt]$/.test(letters)) unit = prefix === 'K' ? 'kB' : `${prefix}B`;
  const suggestion = unit === undefined ? '' : `${amount}${unit}`;
  return bytesOf(suggestion) === null ? null : suggestion;
}
