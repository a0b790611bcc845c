import { existsSync, readFileSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { SlotRef } from '../../../core/slot.ts';
import type { SlotDesire } from '../runtime.ts';
import { slotRefSchema } from './records.ts';
import { slotsDir, writeFileAtomically } from './state-files.ts';

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

/** What stands on disk, and, without the environment, on containers. */
const desireSchema = z.object({
  ref: slotRefSchema,
  release: z.string(),
  deployment: z.string().exactOptional(),
  artifactDir: z.string(),
  run: z.tuple([z.string()], z.string()),
  instances: z.int(),
  metrics: z.boolean().exactOptional(),
  environment: z.record(z.string(), z.string()),
  secrets: z.array(z.string()).exactOptional(),
  folders: z.array(z.string()).exactOptional(),
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

export const hasDesire = (stateDir: string, ref: SlotRef): boolean => existsSync(desireFile(stateDir, ref));
