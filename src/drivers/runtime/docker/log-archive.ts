import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { logsDir, writeFileAtomically } from '../supervision/state-files.ts';
import type { ContainerLine } from './log-lines.ts';

/** All that is kept of one service's containers that are gone. */
const KEPT_BYTES = 50 * 1024 ** 2;

const lineSchema = z.object({
  time: z.number(),
  instance: z.string(),
  release: z.string(),
  stream: z.enum(['stdout', 'stderr']),
  text: z.string(),
  stamp: z.string(),
});

/** What containers wrote that are gone: a file for each, written before the container is removed. */
export class LogArchive {
  readonly #folder: string;

  constructor(stateDir: string) {
    this.#folder = logsDir(stateDir);
  }

  #of(environment: string, service: string): string {
    return join(this.#folder, environment, service);
  }

  async keep(environment: string, service: string, container: string, lines: readonly ContainerLine[]): Promise<void> {
    const folder = this.#of(environment, service);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (lines.length > 0) {
      writeFileAtomically(
        join(folder, `${container}.jsonl`),
        lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
      );
    }
    await this.#tidy(folder);
  }

  /** Lines of a service's containers that are gone; those of `present` are still where they were. */
  async read(environment: string, service: string, present: ReadonlySet<string>): Promise<readonly ContainerLine[]> {
    const folder = this.#of(environment, service);
    const names = await readdir(folder).catch(() => []);
    const texts = await Promise.all(
      names
        .filter((name) => name.endsWith('.jsonl') && !present.has(name.slice(0, -'.jsonl'.length)))
        .map((name) => readFile(join(folder, name), 'utf8').catch(() => '')),
    );
    return texts.flatMap((text) =>
      text.split('\n').flatMap((line) => {
        if (line === '') return [];
        const parsed = lineSchema.safeParse(JSON.parse(line));
        return parsed.success ? [parsed.data as ContainerLine] : [];
      }),
    );
  }

  /** Takes the oldest away when there is too much. */
  async #tidy(folder: string): Promise<void> {
    const files = await Promise.all(
      (await readdir(folder)).map(async (name) => {
        const found = await stat(join(folder, name)).catch(() => null);
        return { path: join(folder, name), bytes: found?.size ?? 0, at: found?.mtimeMs ?? 0 };
      }),
    );
    let bytes = 0;
    for (const file of files.toSorted((one, other) => other.at - one.at)) {
      bytes += file.bytes;
      if (bytes > KEPT_BYTES) await rm(file.path, { force: true });
    }
  }
}
