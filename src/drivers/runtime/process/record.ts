import { join } from 'node:path';
import { z } from 'zod';
import { recordFiles, type InstanceRecord as AnyRecord } from '../supervision/records.ts';
import { instanceDir } from '../supervision/state-files.ts';

const cgroupSchema = z.object({
  version: z.union([z.literal(1), z.literal(2)]),
  memory: z.string().nullable(),
  cpu: z.string().nullable(),
});
export type CgroupPlace = z.infer<typeof cgroupSchema>;

const holdSchema = z.object({
  pid: z.int(),
  startTime: z.string(),
  bootId: z.string(),
  cgroup: cgroupSchema.nullable().default(null),
});

/** What leads to the process of an instance: who it is, and the control groups it is in. */
export type ProcessHold = z.infer<typeof holdSchema>;
export type InstanceRecord = AnyRecord<ProcessHold>;

export const records = recordFiles<ProcessHold>(holdSchema);
export const { write: writeRecord, read: readRecord } = records;

/** Raw output of one launch: written by the instance itself, read by the log collector. */
export const rawLogFile = (stateDir: string, id: string, launch: number, stream: 'stdout' | 'stderr'): string =>
  join(instanceDir(stateDir, id), `${launch}.${stream}`);
