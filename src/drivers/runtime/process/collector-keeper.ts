import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { basePath } from './launch.ts';
import { collectorFile } from './log-files.ts';
import type { ProcessTable } from './process-table.ts';
import { instanceIds } from '../supervision/state-files.ts';

const identitySchema = z.object({
  pid: z.int(),
  startTime: z.string(),
  bootId: z.string(),
  canFreeSpace: z.boolean().nullable(),
});

/** Sees to it that a log collector runs while there is something to collect. It goes on without us. */
export class CollectorKeeper {
  readonly #stateDir: string;
  readonly #table: ProcessTable;
  #looking: Promise<void> | null = null;
  #closed = false;

  constructor(stateDir: string, table: ProcessTable) {
    this.#stateDir = stateDir;
    this.#table = table;
  }

  /** Starts a collector unless one runs or there is nothing to collect. Two at once do no harm: a lock lets one in. */
  look(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    const ids = await instanceIds(this.#stateDir).catch(() => []);
    if (ids.length === 0) return;
    const known = this.#read();
    if (known !== null && (await this.#table.isAlive(known))) return;
    const self = fileURLToPath(import.meta.url);
    const program = fileURLToPath(new URL(`./log-collector${extname(self)}`, import.meta.url));
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, this.#stateDir], {
      cwd: '/',
      env: { PATH: basePath() },
      detached: true,
      stdio: 'ignore',
    });
    child.on('error', () => undefined);
    child.unref();
    await this.#untilKnown(child.pid);
  }

  /** Waits for the new collector to say that it is there, or to end because another is. */
  async #untilKnown(pid: number | undefined): Promise<void> {
    if (pid === undefined) return;
    for (let waited = 0; waited < 5000 && !this.#closed; waited += 20) {
      if (this.#read()?.pid === pid || (await this.#table.identify(pid)) === null) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  #read(): z.infer<typeof identitySchema> | null {
    try {
      const parsed = identitySchema.safeParse(JSON.parse(readFileSync(collectorFile(this.#stateDir), 'utf8')));
      return parsed.success ? parsed.data : null;
    } catch {
      return null;
    }
  }

  async limitations(): Promise<readonly string[]> {
    if (this.#read()?.canFreeSpace !== false) return [];
    return [
      'Raw output of a running instance is shortened by truncating, not by freeing what was collected ' +
        '(fallocate --punch-hole does not work here): lines written in that very moment can be lost.',
    ];
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#looking;
  }
}
