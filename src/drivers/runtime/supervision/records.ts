import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { SlotRef } from '../../../core/slot.ts';
import { instanceDir, writeFileAtomically } from './state-files.ts';

export const slotRefSchema = z.object({
  environment: z.string(),
  service: z.string(),
  slot: z.enum(['blue', 'green']),
});

/** @param hold what leads to a running instance again: a process, a container */
const recordSchema = <Hold>(hold: z.ZodType<Hold>) =>
  z.object({
    version: z.literal(1),
    id: z.string(),
    ref: slotRefSchema,
    release: z.string(),
    /** Absent where instances share the addresses of this machine. */
    host: z.string().exactOptional(),
    port: z.int(),
    /** Absent where there is none, and in records from before there was any. */
    metricsPort: z.int().exactOptional(),
    createdAt: z.number(),
    stopGraceMs: z.number(),
    memoryLimit: z.number().nullable(),
    /** Counts starts. */
    launches: z.int(),
    exits: z.array(z.number()),
    lastExit: z.string().nullable(),
    /** `launching` is written before the start: a crash right after it leaves an instance that is found by its marker. */
    phase: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('down'), startAt: z.number() }),
      z.object({ kind: z.literal('launching'), at: z.number() }),
      z.object({
        kind: z.literal('up'),
        process: hold,
        launchedAt: z.number(),
        started: z.boolean(),
        ready: z.boolean(),
        stopping: z.object({ since: z.number(), forGood: z.boolean(), cause: z.string().nullable() }).nullable(),
      }),
      /** Nothing runs and nothing will. */
      z.object({ kind: z.literal('gone') }),
    ]),
  });

/** What is known of one instance, on disk as `instances/<id>/instance.json`. */
export interface InstanceRecord<Hold> {
  readonly version: 1;
  readonly id: string;
  readonly ref: SlotRef;
  readonly release: string;
  readonly host?: string;
  readonly port: number;
  readonly metricsPort?: number;
  readonly createdAt: number;
  readonly stopGraceMs: number;
  readonly memoryLimit: number | null;
  readonly launches: number;
  readonly exits: readonly number[];
  readonly lastExit: string | null;
  readonly phase: RecordedPhase<Hold>;
}

export type RecordedPhase<Hold> =
  | { readonly kind: 'down'; readonly startAt: number }
  | { readonly kind: 'launching'; readonly at: number }
  | {
      readonly kind: 'up';
      readonly process: Hold;
      readonly launchedAt: number;
      readonly started: boolean;
      readonly ready: boolean;
      readonly stopping: { readonly since: number; readonly forGood: boolean; readonly cause: string | null } | null;
    }
  | { readonly kind: 'gone' };

export interface RecordFiles<Hold> {
  /** Synchronous on purpose: around a start, what happened must be on disk before anything else can happen. */
  readonly write: (stateDir: string, record: InstanceRecord<Hold>) => void;
  /** Null when it is missing or not to be understood. */
  readonly read: (stateDir: string, id: string) => InstanceRecord<Hold> | null;
}

/** How records of one kind of runtime are written and read. */
export function recordFiles<Hold>(hold: z.ZodType<Hold>): RecordFiles<Hold> {
  const schema = recordSchema(hold);
  const file = (stateDir: string, id: string): string => join(instanceDir(stateDir, id), 'instance.json');
  return {
    write: (stateDir, record) => writeFileAtomically(file(stateDir, record.id), `${JSON.stringify(record)}\n`),
    read: (stateDir, id) => {
      try {
        const parsed = schema.safeParse(JSON.parse(readFileSync(file(stateDir, id), 'utf8')));
        return parsed.success && parsed.data.id === id ? parsed.data : null;
      } catch {
        return null;
      }
    },
  };
}
