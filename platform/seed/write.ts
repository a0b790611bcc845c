import { Readable } from 'node:stream';
import { Client, escapeIdentifier } from 'pg';
import type { ObjectStorage } from '../storage/object-storage.ts';
import { makeAudio } from './audio.ts';
import type { Catalogue } from './catalogue.ts';
import { rowsOf } from './rows.ts';

const rowsAtOnce = 5_000;
const filesAtOnce = 8;

export interface Written {
  readonly rows: number;
  readonly files: number;
}

/**
 * Puts the data into the migrated database and into object storage. What is there already is left as it is, so it may be run
 * again after it broke off.
 *
 * @param databaseUrl of the database with the schemas of all services
 * @throws DatabaseError of pg when a schema is not there; errors of the storage
 */
export async function write(
  catalogue: Catalogue,
  databaseUrl: string,
  storage: ObjectStorage,
  signal: AbortSignal,
): Promise<Written> {
  const files = await writeAudio(catalogue, storage, signal);
  const client = new Client({ connectionString: databaseUrl, application_name: 'seed' });
  await client.connect();
  try {
    let rows = 0;
    await client.query('BEGIN');
    for (const table of rowsOf(catalogue)) {
      for (const chunk of chunks(table.rows, rowsAtOnce)) {
        signal.throwIfAborted();
        const columns = table.columns.map(escapeIdentifier).join(', ');
        const name = table.table.split('.').map(escapeIdentifier).join('.');
        const { rowCount } = await client.query(
          `INSERT INTO ${name} (${columns}) SELECT ${columns} FROM jsonb_populate_recordset(NULL::${name}, $1::jsonb) ON CONFLICT DO NOTHING`,
          [JSON.stringify(chunk)],
        );
        rows += rowCount ?? 0;
      }
    }
    await client.query('COMMIT');
    await client.query('ANALYZE');
    return { rows, files };
  } finally {
    await client.end();
  }
}

async function writeAudio(catalogue: Catalogue, storage: ObjectStorage, signal: AbortSignal): Promise<number> {
  let files = 0;
  const left = catalogue.tracks.values();
  const some = async (): Promise<void> => {
    for (const { key, audio, bytes, sha256, contentType } of left) {
      const there = await storage.head(key, signal);
      if (there?.bytes === bytes && there.sha256 === sha256) continue;
      await storage.put(key, Readable.from([makeAudio(audio)]), { bytes, sha256, contentType, signal });
      files += 1;
    }
  };
  // One iterator for all of them: each takes the next that nobody has taken.
  await Promise.all(Array.from({ length: filesAtOnce }, some));
  return files;
}

function* chunks<T>(items: Iterable<T>, size: number): Generator<readonly T[]> {
  let chunk: T[] = [];
  for (const item of items) {
    chunk.push(item);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
