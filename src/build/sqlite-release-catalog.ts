import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { canonicalJson } from '../core/release/canonical-json.ts';
import { parseReleasePrefix } from '../core/release/identity.ts';
import type { Release, ReleaseId } from '../core/release/release.ts';
import type { Digest, Name } from '../core/units/quantities.ts';
import { ReleaseAmbiguousError, ReleaseCatalogDamagedError, ReleaseNotFoundError } from '../errors.ts';
import { diskFailure, sqliteCode } from './disk-failure.ts';
import type { CatalogEntry, ReleaseCatalog } from './release-catalog.ts';
import { configurationDigest, releaseIdOf } from './release-identity.ts';

const format = 1;

// A release is one immutable row. Its place in the order of builds changes when it is built again, and is kept apart.
// The trigger on INSERT is for INSERT OR REPLACE, which removes a row without asking the triggers on DELETE.
const schema = `
CREATE TABLE release (
  id TEXT PRIMARY KEY,
  service TEXT NOT NULL,
  artifact TEXT NOT NULL,
  source TEXT NOT NULL,
  document TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX release_source ON release (source);
CREATE TABLE build (
  place INTEGER PRIMARY KEY AUTOINCREMENT,
  release TEXT NOT NULL UNIQUE REFERENCES release (id) ON DELETE CASCADE
) STRICT;
CREATE TRIGGER release_never_updated BEFORE UPDATE ON release
BEGIN SELECT RAISE(ABORT, 'a release is never changed'); END;
CREATE TRIGGER release_never_replaced BEFORE INSERT ON release
WHEN EXISTS (SELECT 1 FROM release WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a release is never changed'); END;
PRAGMA user_version = ${format};
`;

interface Row {
  readonly id: string;
  readonly service: string;
  readonly artifact: string;
  readonly source: string;
  readonly document: string;
  readonly place: number;
}

const columns = 'release.id, release.service, release.artifact, release.source, release.document, build.place';
const newestFirst = 'FROM release JOIN build ON build.release = release.id';

/**
 * Opens the catalog in a state folder (`releases.db`), makes it when there is none.
 *
 * @throws StoreUnavailableError when the folder cannot be used, ReleaseCatalogDamagedError when the file is no catalog
 */
export const openReleaseCatalog = (stateDir: string): ReleaseCatalog => new SqliteReleaseCatalog(stateDir);

class SqliteReleaseCatalog implements ReleaseCatalog {
  readonly #file: string;
  readonly #db: DatabaseSync;

  constructor(stateDir: string) {
    this.#file = join(stateDir, 'releases.db');
    let db: DatabaseSync | null = null;
    try {
      mkdirSync(stateDir, { recursive: true, mode: 0o700 });
      db = new DatabaseSync(this.#file, { timeout: 5000, enableForeignKeyConstraints: true });
      // A release that was reported as built must survive a power cut; builds are few, so each is synced.
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
      prepareSchema(db, this.#file);
    } catch (error) {
      db?.close();
      throw this.#failure(error);
    }
    this.#db = db;
  }

  async add(release: Release): Promise<{ readonly release: Release; readonly existed: boolean }> {
    return this.#guard(() =>
      this.#transaction(() => {
        const existing = this.#row(release.id);
        if (existing === null) {
          this.#db
            .prepare('INSERT INTO release (id, service, artifact, source, document) VALUES (?, ?, ?, ?, ?)')
            .run(release.id, release.service, release.artifact, release.source, canonicalJson(release));
        }
        this.#db.prepare('DELETE FROM build WHERE release = ?').run(release.id);
        this.#db.prepare('INSERT INTO build (release) VALUES (?)').run(release.id);
        return { release: existing === null ? release : this.#read(existing), existed: existing !== null };
      }),
    );
  }

  async get(idOrPrefix: string, service: Name | null): Promise<Release> {
    return this.#guard(() => {
      const prefix = parseReleasePrefix(idOrPrefix);
      const matches =
        prefix === null
          ? []
          : this.#rows(
              `WHERE substr(release.id, 1, length(?1)) = ?1 AND (?2 IS NULL OR release.service = ?2)`,
              prefix,
              service,
            );
      const [match, another] = matches;
      if (match === undefined) throw this.#notFound(idOrPrefix, service);
      if (another !== undefined)
        throw new ReleaseAmbiguousError(
          idOrPrefix,
          matches.map(({ id }) => id),
        );
      return this.#read(match);
    });
  }

  async list(service: Name | null): Promise<readonly CatalogEntry[]> {
    return this.#guard(() =>
      this.#rows('WHERE ?1 IS NULL OR release.service = ?1', service).map((row) => ({
        release: this.#read(row),
        order: row.place,
      })),
    );
  }

  async artifactsOf(source: Digest): Promise<readonly { readonly artifact: Digest; readonly bytes: number }[]> {
    return this.#guard(() =>
      this.#rows('WHERE release.source = ?1', source)
        .map((row) => this.#read(row))
        .map(({ artifact, artifactBytes }) => ({ artifact, bytes: artifactBytes })),
    );
  }

  async remove(id: ReleaseId): Promise<void> {
    this.#guard(() => this.#db.prepare('DELETE FROM release WHERE id = ?').run(id));
  }

  async close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close();
  }

  #rows(where: string, ...values: readonly (string | null)[]): readonly Row[] {
    return this.#db
      .prepare(`SELECT ${columns} ${newestFirst} ${where} ORDER BY build.place DESC`)
      .all(...values) as unknown as readonly Row[];
  }

  #row(id: ReleaseId): Row | null {
    return this.#rows('WHERE release.id = ?1', id)[0] ?? null;
  }

  /** Reads a row and checks that it still is what its id says: an id is a hash of what it stands for. */
  #read(row: Row): Release {
    let release: Release;
    try {
      release = JSON.parse(row.document) as Release;
      const { service, artifact, source, dirty } = release;
      const configuration = configurationDigest(release.config);
      const consistent =
        release.id === row.id &&
        service === row.service &&
        artifact === row.artifact &&
        source === row.source &&
        configuration === release.configuration &&
        releaseIdOf({ service, artifact, configuration, dirty }) === row.id;
      if (consistent) return release;
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    }
    throw new ReleaseCatalogDamagedError(this.#file, `the release ${row.id} is not what it was when it was built`);
  }

  #notFound(asked: string, service: Name | null): ReleaseNotFoundError {
    const ids = this.#rows('WHERE ?1 IS NULL OR release.service = ?1', service).map(({ id }) => id);
    const wanted = asked.startsWith('rel_') ? asked : `rel_${asked}`;
    const nearest = ids
      .map((id) => ({ id, distance: prefixDistance(wanted, id) }))
      .filter(({ distance }) => distance <= 2)
      .sort((a, b) => a.distance - b.distance)
      .map(({ id }) => id);
    return new ReleaseNotFoundError(asked, service, nearest.slice(0, 3), ids.slice(0, 3));
  }

  #transaction<T>(action: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = action();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #guard<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #failure(error: unknown): unknown {
    const code = sqliteCode(error);
    const damaged = code === 11 || code === 26;
    if (damaged && error instanceof Error) return new ReleaseCatalogDamagedError(this.#file, error.message);
    return diskFailure(this.#file, error);
  }
}

const prepareSchema = (db: DatabaseSync, file: string): void => {
  const version = db.prepare('PRAGMA user_version').get()?.['user_version'];
  if (version === format) return;
  if (version !== 0) {
    throw new ReleaseCatalogDamagedError(
      file,
      `it has the format ${String(version)}, and this version reads ${format}`,
    );
  }
  db.exec(`BEGIN IMMEDIATE; ${schema} COMMIT;`);
};

/** Edit distance (Wagner and Fischer 1974) between what was typed and the best fitting beginning of an id. */
const prefixDistance = (typed: string, id: string): number => {
  let row = Array.from({ length: id.length + 1 }, (_, column) => column);
  for (const [line, letter] of Array.from(typed).entries()) {
    const next = [line + 1];
    for (let column = 1; column <= id.length; column += 1) {
      const substituted = (row[column - 1] ?? 0) + (id[column - 1] === letter ? 0 : 1);
      next.push(Math.min(substituted, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return Math.min(...row);
};
