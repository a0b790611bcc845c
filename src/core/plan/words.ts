import type { Probe } from '../spec/platform.ts';

/** `0.3 s`, `30 s`, `2 min 5 s`, `3 h 10 min`. */
export function durationInWords(ms: number): string {
  const exact = Math.max(0, ms) / 1000;
  if (exact < 9.95) return `${Number(exact.toFixed(1))} s`;
  const seconds = Math.round(exact);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return withRest(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  const minutes = Math.round(seconds / 60);
  return withRest(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
}

const withRest = (count: number, unit: string, rest: number, restUnit: string): string =>
  rest === 0 ? `${count} ${unit}` : `${count} ${unit} ${rest} ${restUnit}`;

/** `200 MB`, `256 MiB`, `1.5 GiB`: in thousands, or in 1024s when the number of bytes is made of those. */
export function bytesInWords(bytes: number): string {
  const isBinary = bytes % 1024 === 0 && (bytes % 1024 ** 2 === 0 || bytes < 1024 ** 2) && bytes % 1_000_000 !== 0;
  const [base, units] = isBinary ? ([1024, ['GiB', 'MiB', 'KiB']] as const) : ([1000, ['GB', 'MB', 'kB']] as const);
  const found = units.findIndex((_, index) => bytes >= base ** (3 - index));
  return found === -1 ? `${bytes} B` : `${Number((bytes / base ** (3 - found)).toFixed(1))} ${units[found]}`;
}

/** `GET /health`, or `a TCP connection`. */
export const probeInWords = (probe: Probe): string =>
  probe.check.kind === 'http' ? `GET ${probe.check.path}` : 'a TCP connection';

export interface Exit {
  /** Exit status, null when a signal ended it or nobody saw it. */
  readonly status: number | null;
  readonly signal: string | null;
  /** Time it ran, null when unknown. */
  readonly ranMs: number | null;
  readonly lastErrorLine: string | null;
  /** Memory limit that the kernel or the runtime enforced, in bytes. */
  readonly overMemoryLimit: number | null;
}

/** Longest part of an instance's own last line that a reason carries. */
const MAX_LINE = 300;

/** Why an instance ended: "exited with status 1 after 0.3 s: Error: no database". */
export function exitInWords(exit: Exit): string {
  const after = exit.ranMs === null ? '' : ` after ${durationInWords(exit.ranMs)}`;
  if (exit.overMemoryLimit !== null) {
    return `used more than ${bytesInWords(exit.overMemoryLimit)} of memory (its limit)${after}`;
  }
  const how =
    exit.signal !== null
      ? `killed by ${exit.signal}`
      : exit.status !== null
        ? `exited with status ${exit.status}`
        : 'ended while nobody was watching';
  const line = exit.lastErrorLine?.trim() ?? '';
  const said = line === '' ? '' : `: ${line.length > MAX_LINE ? `${line.slice(0, MAX_LINE - 1)}…` : line}`;
  return `${how}${after}${said}`;
}
