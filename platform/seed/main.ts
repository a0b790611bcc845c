import { parseArgs } from 'node:util';
import { createStorage } from '../storage/create-storage.ts';
import { defaultNow, digestOf, isSize, makeCatalogue, seededPassword, sizes } from './catalogue.ts';
import { write } from './write.ts';

const usage = `Fills the platform with people, music, playlists, plays, rooms and messages: the same for the same size and seed.

  --database URL  PostgreSQL with the migrated schemas of all services (default: DATABASE_URL)
  --storage URL   file:///folder or s3://… (default: STORAGE_URL)
  --size SIZE     ${Object.keys(sizes).join(', ')} (default: demo)
  --seed N        another number is other data (default: 1)
  --now TIME      end of the time in which it happened (default: ${defaultNow.toISOString()})
  --digest        prints the SHA-256 of the data and writes nothing

With \`veza run api -- node seed.js\` both URLs are those of the platform.
`;

/** Runs the seed as a program. */
async function main(): Promise<number> {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    options: { database: text, storage: text, size: text, seed: text, now: text, digest: flag, help: flag },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const size = values.size ?? 'demo';
  const seed = Number(values.seed ?? '1');
  const now = values.now === undefined ? defaultNow : new Date(values.now);
  if (!isSize(size)) throw new TypeError(`--size ${size}: give one of ${Object.keys(sizes).join(', ')}`);
  if (!Number.isSafeInteger(seed)) throw new TypeError(`--seed ${values.seed}: give a whole number`);
  if (Number.isNaN(now.getTime())) throw new TypeError(`--now ${values.now}: give a time like 2026-11-01T12:00:00Z`);
  const catalogue = makeCatalogue(size, seed, now);
  if (values.digest) {
    process.stdout.write(`${digestOf(catalogue)}\n`);
    return 0;
  }
  const database = values.database ?? process.env['DATABASE_URL'];
  const storageUrl = values.storage ?? process.env['STORAGE_URL'];
  if (database === undefined || storageUrl === undefined) throw new TypeError('--database and --storage are needed');
  const storage = createStorage(storageUrl);
  const interrupt = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => interrupt.abort(new Error(`ended by ${signal}`)));
  }
  const started = performance.now();
  try {
    const { rows, files } = await write(catalogue, database, storage, interrupt.signal);
    const { people, tracks, plays, messages } = catalogue;
    process.stdout.write(
      `${people.length} people, ${tracks.length} tracks, ${plays.length} plays, ${messages.length} messages ` +
        `(${rows} rows and ${files} files new) in ${((performance.now() - started) / 1_000).toFixed(1)} s; ` +
        `log in as person-1@seed.invalid, "${seededPassword}"\n`,
    );
    return 0;
  } finally {
    await storage.close();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`seed: ${error instanceof Error ? error.message : String(error)}\nSee --help.\n`);
  process.exitCode = 2;
}
