import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { SlotRef } from '../../../core/slot.ts';
import type { SlotDesire } from '../runtime.ts';

const identitySchema = z.object({ pid: z.int(), startTime: z.string(), bootId: z.string() });

const slotRefSchema = z.object({ environment: z.string(), service: z.string(), slot: z.enum(['blue', 'green']) });

const cgroupSchema = z.object({
  version: z.union([z.literal(1), z.literal(2)]),
  memory: z.string().nullable(),
  cpu: z.string().nullable(),
});

/** What is known of one instance, on disk as `instances/<id>/instance.json`. */
const recordSchema = z.object({
  version: z.literal(1),
  id: z.string(),
  ref: slotRefSchema,
  release: z.string(),
  port: z.int(),
  createdAt: z.number(),
  stopGraceMs: z.number(),
  memoryLimit: z.number().nullable(),
  /** Counts starts; names the raw log files of each. */
  launches: z.int(),
  exits: z.array(z.number()),
  lastExit: z.string().nullable(),
  /** `launching` is written before the spawn: a crash right after it leaves a process that is found by its marker. */
  phase: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('down'), startAt: z.number() }),
    z.object({ kind: z.literal('launching'), at: z.number() }),
    z.object({
      kind: z.literal('up'),
      process: identitySchema,
      launchedAt: z.number(),
      started: z.boolean(),
      ready: z.boolean(),
      stopping: z.object({ since: z.number(), forGood: z.boolean(), cause: z.string().nullable() }).nullable(),
      cgroup: cgroupSchema.nullable(),
    }),
    /** Nothing runs and nothing will: the log collector takes what is left to collect, then the folder. */
    z.object({ kind: z.literal('gone') }),
  ]),
});

export type InstanceRecord = z.infer<typeof recordSchema>;
export type RecordedPhase = InstanceRecord['phase'];
export type CgroupPlace = z.infer<typeof cgroupSchema>;

export const instancesDir = (stateDir: string): string => join(stateDir, 'instances');
export const instanceDir = (stateDir: string, id: string): string => join(instancesDir(stateDir), id);

/** Raw output of one launch: written by the instance itself, read by the log collector. */
export const rawLogFile = (stateDir: string, id: string, launch: number, stream: 'stdout' | 'stderr'): string =>
  join(instanceDir(stateDir, id), `${launch}.${stream}`);

/** Writes a file so that a reader, or a crash, sees the old content or the new one and nothing between. Owner only. */
export function writeFileAtomically(file: string, content: string): void {
  const temporary = `${file}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    writeFileSync(temporary, content, { mode: 0o600 });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

const recordFile = (stateDir: string, id: string): string => join(instanceDir(stateDir, id), 'instance.json');

/** Synchronous on purpose: around a spawn, what happened must be on disk before anything else can happen. */
export const writeRecord = (stateDir: string, record: InstanceRecord): void =>
  writeFileAtomically(recordFile(stateDir, record.id), `${JSON.stringify(record)}\n`);

/** Reads a record; null when it is missing or not to be understood. */
export function readRecord(stateDir: string, id: string): InstanceRecord | null {
  try {
    const parsed = recordSchema.safeParse(JSON.parse(readFileSync(recordFile(stateDir, id), 'utf8')));
    return parsed.success && parsed.data.id === id ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Ids of all instance folders, whatever they hold. */
export const instanceIds = async (stateDir: string): Promise<readonly string[]> =>
  (await readdir(instancesDir(stateDir), { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);

const slotsDir = (stateDir: string): string => join(stateDir, 'slots');
const desireFile = (stateDir: string, ref: SlotRef): string =>
  join(slotsDir(stateDir), `${ref.environment}~${ref.service}~${ref.slot}.json`);

const probeSchema = z.object({
  check: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('http'), path: z.string() }),
    z.object({ kind: z.literal('tcp') }),
  ]),
  intervalMs: z.number(),
  timeoutMs: z.number(),
  failures: z.number(),
});

const desireSchema = z.object({
  ref: slotRefSchema,
  release: z.string(),
  artifactDir: z.string(),
  run: z.tuple([z.string()], z.string()),
  instances: z.int(),
  environment: z.record(z.string(), z.string()),
  health: z.object({
    startup: probeSchema,
    readiness: probeSchema,
    liveness: probeSchema.nullable(),
    stableForMs: z.number(),
  }),
  restart: z.object({
    backoffMs: z.number(),
    maxBackoffMs: z.number(),
    crashLoopAfter: z.number(),
    windowMs: z.number(),
  }),
  stopGraceMs: z.number(),
  limits: z.object({ memory: z.number().nullable(), cpus: z.number().nullable() }),
});

/** Remembers what a slot shall run, so that a new runtime object can restart what dies before anybody applies again. */
export const writeDesire = (stateDir: string, desire: SlotDesire): void =>
  writeFileAtomically(desireFile(stateDir, desire.ref), `${JSON.stringify(desire)}\n`);

export const forgetDesire = (stateDir: string, ref: SlotRef): void =>
  rmSync(desireFile(stateDir, ref), { force: true });

/** All remembered desires; a file that cannot be understood is left out, its slot's instances then count as unwanted. */
export async function readDesires(stateDir: string): Promise<readonly SlotDesire[]> {
  const files = await readdir(slotsDir(stateDir));
  // What a crash left half written may hold secrets, and nobody else will ever remove it.
  for (const name of files) if (name.endsWith('.tmp')) rmSync(join(slotsDir(stateDir), name), { force: true });
  return files.flatMap((name) => {
    if (!name.endsWith('.json')) return [];
    try {
      const parsed = desireSchema.safeParse(JSON.parse(readFileSync(join(slotsDir(stateDir), name), 'utf8')));
      // The schema checks every field; what it cannot express is the brands of the numbers and of the release's id.
      return parsed.success ? [parsed.data as unknown as SlotDesire] : [];
    } catch {
      return [];
    }
  });
}

/** Makes the folders that the runtime keeps its state in, for the owner only. */
export function makeStateFolders(stateDir: string): void {
  for (const dir of [instancesDir(stateDir), slotsDir(stateDir), logsDir(stateDir)]) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }
}

/** Structured logs: `logs/<environment>/<service>.jsonl`, older ones `.1` to `.4`. */
export const logsDir = (stateDir: string): string => join(stateDir, 'logs');
