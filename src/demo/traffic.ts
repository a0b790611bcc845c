import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { PLATFORM } from './project.ts';

const counts = z.object({
  requests: z.number(),
  lost: z.number(),
  wrong: z.number(),
  slow: z.number(),
  failedByRelease: z.number(),
  failedByReleases: z.record(z.string(), z.number()),
  loggedOut: z.number(),
  skipped: z.number(),
  audioBytes: z.number(),
  sessions: z.number(),
  chat: z.object({
    said: z.number(),
    acknowledged: z.number(),
    delivered: z.number(),
    missing: z.number(),
    reconnects: z.number(),
  }),
});
const incident = z.object({ sinceStartMs: z.number(), operation: z.string(), detail: z.string() });
const report = counts.extend({
  unchecked: z.string().nullable(),
  lostDetails: z.array(incident.extend({ kind: z.string() })),
  wrongDetails: z.array(incident),
  loggedOutDetails: z.array(incident),
});

export type TrafficCounts = z.output<typeof counts>;
export type TrafficReport = z.output<typeof report>;

export const noTraffic: TrafficCounts = {
  requests: 0,
  lost: 0,
  wrong: 0,
  slow: 0,
  failedByRelease: 0,
  failedByReleases: {},
  loggedOut: 0,
  skipped: 0,
  audioBytes: 0,
  sessions: 0,
  chat: { said: 0, acknowledged: 0, delivered: 0, missing: 0, reconnects: 0 },
};

/** The people of `platform/load`, in a process of their own: what they count is read from what they print. */
export class Traffic {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #ended: Promise<number | null>;
  #counts = noTraffic;
  #report: TrafficReport | null = null;
  #stderr = '';

  /** @param options of the program, such as `--rate` and its value */
  constructor(target: string, options: readonly string[]) {
    const args = [join(PLATFORM, 'load/main.ts'), '--target', target, '--snapshots', ...options];
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stderr.on('data', (chunk: Buffer) => (this.#stderr = (this.#stderr + chunk.toString()).slice(-2_000)));
    const lines = createInterface({ input: this.#child.stdout });
    lines.on('line', (line) => {
      const value: unknown = JSON.parse(line);
      const whole = report.safeParse(value);
      if (whole.success) this.#report = whole.data;
      this.#counts = counts.parse(value);
    });
    const read = new Promise((resolve) => lines.once('close', resolve));
    const exited = new Promise<number | null>((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', resolve);
    });
    this.#ended = Promise.all([exited, read]).then(([status]) => status);
    this.#ended.catch(() => undefined);
  }

  /** The counts of about now: at most a second old. */
  snapshot(): TrafficCounts {
    return this.#counts;
  }

  /**
   * Ends it, after everything that is in flight, and after it has looked for every message that was acknowledged.
   *
   * @throws Error when it ended without a report
   */
  async stop(): Promise<TrafficReport> {
    this.#child.kill('SIGTERM');
    const status = await this.#ended;
    if (this.#report === null) throw new Error(`the user model ended with status ${status}: ${this.#stderr.trim()}`);
    return this.#report;
  }
}

/** What a release failed by itself is said apart; everything else must be nothing. */
export function isClean({ lost, wrong, skipped, loggedOut, chat, unchecked }: TrafficReport): boolean {
  return lost + wrong + skipped + loggedOut + chat.missing === 0 && unchecked === null;
}
