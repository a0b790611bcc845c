import { createHash, type Hash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { Readable } from 'node:stream';
import { pack, type Pack } from 'tar-stream';
import { z } from 'zod';

/** A line of a service's answer to what it has of a person (see `internal-routes.ts`). */
const exportLine = z.union([
  z.object({ table: z.string(), row: z.record(z.string(), z.unknown()) }),
  z.object({ file: z.string(), key: z.string(), bytes: z.int().min(0), sha256: z.string() }),
  z.object({ end: z.literal(true), lines: z.int().min(0) }),
]);

/** The last entry of an archive. An archive without it was cut short. */
export const manifestSchema = z.object({
  format: z.literal('veza-data-export/1'),
  person: z.uuid(),
  createdAt: z.string(),
  /** rows of each table of each service */
  services: z.record(z.string(), z.record(z.string(), z.int())),
  files: z.array(z.object({ name: z.string(), bytes: z.int(), sha256: z.string() })),
  /** objects that a row names and storage does not have (yet): uploads under way */
  missing: z.array(z.object({ key: z.string(), sha256: z.string() })),
});
export type Manifest = z.output<typeof manifestSchema>;

export const MANIFEST = 'manifest.json';

export interface ArchiveOptions {
  readonly personId: string;
  readonly now: Date;
  /** what each service has of the person: NDJSON in chunks of any size */
  readonly services: readonly { readonly name: string; open(): Promise<AsyncIterable<Uint8Array>> }[];
  /** null when there is no such object */
  readonly openFile: (key: string) => Promise<{ readonly bytes: number; readonly body: Readable } | null>;
  readonly signal: AbortSignal;
}

/** A service's answer ended before its end, or is not what it should be. */
export class ExportBroken extends Error {
  override readonly name = 'ExportBroken';
}

/** Rows are gathered up to this size before they become an entry, for tar wants to know sizes beforehand. */
const ENTRY_BYTES = 1024 * 1024;

/**
 * Everything of a person as a tar archive, streamed: `SERVICE/TABLE-0001.ndjson`, `files/KEY`, and at last `manifest.json`.
 * When anything goes wrong the stream is destroyed, before the manifest and before the end of the archive.
 */
export function writeArchive(options: ArchiveOptions): Readable {
  const tar = pack();
  void new ArchiveWriter(tar, options).write().then(
    () => tar.finalize(),
    (error: unknown) => tar.destroy(error instanceof Error ? error : new Error('the export broke off')),
  );
  return tar as unknown as Readable;
}

class ArchiveWriter {
  readonly #tar: Pack;
  readonly #options: ArchiveOptions;
  readonly #files: { name: string; bytes: number; sha256: string }[] = [];
  readonly #missing: { key: string; sha256: string }[] = [];
  readonly #counts: Record<string, Record<string, number>> = {};

  constructor(tar: Pack, options: ArchiveOptions) {
    this.#tar = tar;
    this.#options = options;
  }

  async write(): Promise<void> {
    const { personId, now, services, signal } = this.#options;
    const stop = (): void => this.#tar.destroy(new Error('given up'));
    signal.addEventListener('abort', stop, { once: true });
    try {
      for (const service of services) await this.#service(service.name, await service.open());
      const manifest: Manifest = {
        format: 'veza-data-export/1',
        person: personId,
        createdAt: now.toISOString(),
        services: this.#counts,
        files: this.#files,
        missing: this.#missing,
      };
      await this.#entry(MANIFEST, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async #service(name: string, answer: AsyncIterable<Uint8Array>): Promise<void> {
    const counts: Record<string, number> = {};
    this.#counts[name] = counts;
    const parts = new Map<string, number>();
    let table = '';
    let gathered: string[] = [];
    let bytes = 0;
    let lines = 0;
    let ended = false;
    const flush = async (): Promise<void> => {
      if (gathered.length === 0) return;
      const part = (parts.get(table) ?? 0) + 1;
      parts.set(table, part);
      const entry = `${name}/${table}-${String(part).padStart(4, '0')}.ndjson`;
      await this.#entry(entry, Buffer.from(gathered.join('')));
      this.#note(entry, gathered.join(''));
      gathered = [];
      bytes = 0;
    };
    for await (const text of linesOf(answer)) {
      if (ended) throw new ExportBroken(`${name} went on after its end`);
      const line = exportLine.parse(JSON.parse(text));
      if ('end' in line) {
        if (line.lines !== lines) throw new ExportBroken(`${name} sent another number of lines than it said`);
        ended = true;
        continue;
      }
      lines += 1;
      if ('file' in line) {
        await this.#file(line.key, line.sha256);
        continue;
      }
      if (line.table !== table || bytes >= ENTRY_BYTES) {
        await flush();
        ({ table } = line);
      }
      // As the database wrote it: a number that JavaScript cannot hold stays as it is.
      const row = `${text.slice(text.indexOf('"row":') + 6, -1)}\n`;
      gathered.push(row);
      bytes += Buffer.byteLength(row);
      counts[table] = (counts[table] ?? 0) + 1;
    }
    if (!ended) throw new ExportBroken(`the answer of ${name} was cut short`);
    await flush();
  }

  async #file(key: string, sha256: string): Promise<void> {
    const found = await this.#options.openFile(key);
    if (found === null) {
      this.#missing.push({ key, sha256 });
      return;
    }
    const name = `files/${key}`;
    const entry = this.#tar.entry({ name, size: found.bytes, mtime: this.#options.now });
    const hash = createHash('sha256');
    await pipeline(found.body, hashing(hash), entry);
    this.#files.push({ name, bytes: found.bytes, sha256: hash.digest('hex') });
  }

  #note(name: string, text: string): void {
    const content = Buffer.from(text);
    this.#files.push({ name, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') });
  }

  #entry(name: string, content: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#tar.entry({ name, mtime: this.#options.now }, content, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(error);
      });
    });
  }
}

function hashing(hash: Hash): (source: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array> {
  return async function* pass(source) {
    for await (const chunk of source) {
      hash.update(chunk);
      yield chunk;
    }
  };
}

/** Lines of text; the last one counts only when it is ended. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  for await (const chunk of chunks) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
}
