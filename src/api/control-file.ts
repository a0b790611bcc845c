import { join } from 'node:path';
import type { Problem } from './problem.ts';

/** `control.json` in the state folder: which control plane runs. A note for people and tools; the lease is what counts. */
export interface ControlFile {
  readonly pid: number;
  /** UTC milliseconds. */
  readonly startedAt: number;
  readonly socket: string;
  readonly version: string;
}

export const controlFilePath = (stateDir: string): string => join(stateDir, 'control.json');
export const controlLogPath = (stateDir: string): string => join(stateDir, 'control.log');

/** What a starting control plane tells the process that started it. */
export type StartMessage =
  | { readonly type: 'progress'; readonly text: string }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly problem: Problem };
