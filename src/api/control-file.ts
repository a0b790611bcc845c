import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Problem } from './problem.ts';

/** `control.json` in the state folder: which control plane runs. A note for people and tools; the lease is what counts. */
export const ControlFileSchema = z
  .object({ pid: z.number(), startedAt: z.number(), socket: z.string(), version: z.string() })
  .readonly();
export type ControlFile = z.infer<typeof ControlFileSchema>;

export const controlFilePath = (stateDir: string): string => join(stateDir, 'control.json');
export const controlLogPath = (stateDir: string): string => join(stateDir, 'control.log');

/** Null when there is none, or none that can be read. */
export async function readControlFile(stateDir: string): Promise<ControlFile | null> {
  try {
    return ControlFileSchema.parse(JSON.parse(await readFile(controlFilePath(stateDir), 'utf8')));
  } catch {
    return null;
  }
}

/** What a starting control plane tells the process that started it. */
export type StartMessage =
  | { readonly type: 'progress'; readonly text: string }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly problem: Problem };
