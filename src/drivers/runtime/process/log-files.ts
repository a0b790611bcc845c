import { join } from 'node:path';
import { z } from 'zod';
import { instanceDir, logsDir } from '../supervision/state-files.ts';

/** A structured line as it is on disk. `launch` and `end` say where in the raw output it came from. */
const storedLineSchema = z.object({
  time: z.number(),
  instance: z.string(),
  release: z.string(),
  stream: z.enum(['stdout', 'stderr']),
  text: z.string(),
  launch: z.int(),
  /** Bytes of the raw file up to and with this line. */
  end: z.int(),
});
export type StoredLine = z.infer<typeof storedLineSchema>;

/** Parses one stored line; null when it was cut short by a crash. */
export function parseStoredLine(text: string): StoredLine | null {
  try {
    const parsed = storedLineSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

export const MAX_LOG_BYTES = 10 * 1024 ** 2;
/** The current file and four older ones. */
export const LOG_FILES = 5;

/** Structured log of a service: index 0 is being written, higher ones are older. */
export const logFile = (stateDir: string, environment: string, service: string, index: number): string =>
  join(logsDir(stateDir), environment, index === 0 ? `${service}.jsonl` : `${service}.${index}.jsonl`);

/** How far the output of an instance has been collected: raw file name (`3.stderr`) to bytes. */
export const cursorsFile = (stateDir: string, id: string): string => join(instanceDir(stateDir, id), 'collected.json');

const cursorsSchema = z.record(z.string(), z.int());
export type Cursors = z.infer<typeof cursorsSchema>;

export function parseCursors(text: string): Cursors {
  try {
    const parsed = cursorsSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : {};
  } catch {
    return {};
  }
}

/** Process that collects at present; holds its identity. */
export const collectorFile = (stateDir: string): string => join(stateDir, 'log-collector.json');
/** Database whose lock the collector holds as long as it lives. */
export const collectorLock = (stateDir: string): string => join(stateDir, 'log-collector.lock');
