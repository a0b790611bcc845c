import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Release } from '../core/release/release.ts';
import type { Digest, Name } from '../core/units/quantities.ts';
import {
  ReleaseAmbiguousError,
  ReleaseCatalogDamagedError,
  ReleaseNotFoundError,
  StoreUnavailableError,
} from '../errors.ts';
import { digestOf } from './digest.ts';
import type { ReleaseCatalog } from './release-catalog.ts';
import { configurationDigest, releaseIdOf } from './release-identity.ts';
import { openReleaseCatalog } from './sqlite-release-catalog.ts';

let folder: string;
let catalog: ReleaseCatalog;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-test-'));
  catalog = openReleaseCatalog(folder);
});
afterEach(async () => {
  await catalog.close();
  await rm(folder, { recursive: true });
});

const release = (number: number, service = 'api'): Release => {
  const identity = {
    service: service as Name,
    artifact: digestOf(`artifact ${number}`),
    configuration: configurationDigest({}),
    dirty: false,
  };
  return {
    ...identity,
    id: releaseIdOf(identity),
    artifactBytes: 1000 + number,
    config: {},
    source: digestOf(`source ${number % 3}`),
    commit: 'c'.repeat(40),
    subject: `Change nummer ${number} — grüße`,
    builder: 'ana@laptop',
    builtAt: 1_700_000_000_000 + number,
  };
};

const raw = <T>(action: (db: DatabaseSync) => T): T => {
  const db = new DatabaseSync(join(folder, 'releases.db'));
  try {
    return action(db);
  } finally {
    db.close();
  }
};

const ids = async (service: string | null): Promise<readonly string[]> =>
  (await catalog.list(service as Name | null)).map((entry) => entry.release.id);

describe('the catalog of releases', () => {
  it('gives back what was added, also after it was closed', async () => {
    await catalog.add(release(1));
    await catalog.close();
    catalog = openReleaseCatalog(folder);
    expect(await catalog.get(release(1).id, null)).toEqual(release(1));
  });

  it('lists newest first, of one service or of all', async () => {
    for (const [number, service] of [
      [1, 'api'],
      [2, 'web'],
      [3, 'api'],
    ] as const)
      await catalog.add(release(number, service));
    expect(await ids('api')).toEqual([release(3).id, release(1).id]);
    expect(await ids(null)).toEqual([release(3).id, release(2, 'web').id, release(1).id]);
    expect(await ids('nobody')).toEqual([]);
  });

  it('keeps one row for a release that is built again, as it was, and makes it the newest', async () => {
    await catalog.add(release(1));
    await catalog.add(release(2));
    const again = await catalog.add({ ...release(1), commit: 'd'.repeat(40), builtAt: 9, builder: 'bo@elsewhere' });
    expect(again).toEqual({ release: release(1), existed: true });
    expect(await ids('api')).toEqual([release(1).id, release(2).id]);
  });

  it('finds by the whole id or any beginning that only one has, and says which there are otherwise', async () => {
    for (let number = 0; number < 40; number += 1) await catalog.add(release(number));
    const all = await ids(null);
    const { id } = release(7);
    const digits = id.slice(4);
    expect((await catalog.get(id, null)).id).toBe(id);
    expect((await catalog.get(digits.toUpperCase(), 'api' as Name)).id).toBe(id);
    const shortest = Array.from(digits, (_, length) => digits.slice(0, length + 1)).find(
      (start) => all.filter((one) => one.startsWith(`rel_${start}`)).length === 1,
    );
    expect((await catalog.get(shortest ?? '', null)).id).toBe(id);
    const error = await catalog.get(digits.slice(0, 1), null).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ReleaseAmbiguousError);
    expect((error as ReleaseAmbiguousError).matches.toSorted()).toEqual(
      all.filter((one) => one.startsWith(id.slice(0, 5))).toSorted(),
    );
  });

  it('names the nearest and the most recent when there is none', async () => {
    await expect(catalog.get('rel_abc', 'api' as Name)).rejects.toMatchObject({
      hint: expect.stringContaining('veza build api') as string,
    });
    for (let number = 0; number < 5; number += 1) await catalog.add(release(number));
    const { id } = release(2);
    const typo = `${id.slice(0, 8)}${id[8] === '0' ? '1' : '0'}${id.slice(9, 14)}`;
    const error = await catalog.get(typo, null).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ReleaseNotFoundError);
    expect((error as ReleaseNotFoundError).hint).toContain(`Did you mean ${id}?`);
    expect((error as ReleaseNotFoundError).hint).toContain(
      `Most recent: ${release(4).id}, ${release(3).id}, ${release(2).id}`,
    );
    // A release of another service is not found under this one; and nothing typed is taken for a pattern
    await expect(catalog.get(id, 'web' as Name)).rejects.toThrow(ReleaseNotFoundError);
    for (const odd of ['%', '_', '', "' OR 1=1", 'latest'])
      await expect(catalog.get(odd, null)).rejects.toThrow(ReleaseNotFoundError);
  });

  it('knows what was built from a source, newest first', async () => {
    for (const number of [0, 1, 3]) await catalog.add(release(number));
    expect((await catalog.artifactsOf(digestOf('source 0'))).map(({ artifact }) => artifact)).toEqual([
      release(3).artifact,
      release(0).artifact,
    ]);
    expect(await catalog.artifactsOf('sha256:none' as Digest)).toEqual([]);
  });

  it('forgets what is removed, and takes it back when it is built again', async () => {
    await catalog.add(release(1));
    await catalog.remove(release(1).id);
    await catalog.remove(release(1).id);
    expect(await ids(null)).toEqual([]);
    expect((await catalog.add(release(1))).existed).toBe(false);
    expect(await ids(null)).toEqual([release(1).id]);
  });
});

describe('a release', () => {
  it.each([
    "UPDATE release SET artifact = 'sha256:evil'",
    "UPDATE release SET document = '{}' WHERE 1",
    "INSERT OR REPLACE INTO release SELECT id, service, 'sha256:evil', source, document FROM release",
    "REPLACE INTO release SELECT id, service, 'sha256:evil', source, document FROM release",
    "INSERT INTO release SELECT id, service, artifact, source, document FROM release WHERE true ON CONFLICT (id) DO UPDATE SET document = '{}'",
    "UPDATE OR REPLACE release SET source = 'x'",
  ])('cannot be changed by: %s', async (statement) => {
    await catalog.add(release(1));
    expect(() => raw((db) => db.exec(statement))).toThrow('a release is never changed');
    expect(await catalog.get(release(1).id, null)).toEqual(release(1));
  });

  it.each([
    [
      'artifact',
      `UPDATE release SET artifact = '${digestOf('evil')}', document = replace(document, '${digestOf('artifact 1')}', '${digestOf('evil')}')`,
    ],
    ['configuration', `UPDATE release SET document = replace(document, '"config":{}', '"config":{"x":1}')`],
    ['dirty mark', `UPDATE release SET document = replace(document, '"dirty":false', '"dirty":true')`],
    ['document', `UPDATE release SET document = substr(document, 2)`],
  ])('whose %s was changed behind the back of the program is refused', async (_, statement) => {
    await catalog.add(release(1));
    raw((db) => db.exec(`DROP TRIGGER release_never_updated; ${statement}`));
    await expect(catalog.get(release(1).id, null)).rejects.toThrow(ReleaseCatalogDamagedError);
    await expect(catalog.list(null)).rejects.toThrow(/is not what it was when it was built/);
  });
});

describe('a catalog in trouble', () => {
  it('says that the file is none of ours', async () => {
    const other = await mkdtemp(join(folder, 'other-'));
    await writeFile(join(other, 'releases.db'), 'this is no database at all'.repeat(100));
    expect(() => openReleaseCatalog(other)).toThrow(ReleaseCatalogDamagedError);
    await writeFile(join(other, 'file'), '');
    expect(() => openReleaseCatalog(join(other, 'file'))).toThrow(StoreUnavailableError);
  });

  it('says that it comes from a newer version', async () => {
    await catalog.close();
    raw((db) => db.exec('PRAGMA user_version = 99'));
    expect(() => openReleaseCatalog(folder)).toThrow(/format 99, and this version reads 1/);
    raw((db) => db.exec('PRAGMA user_version = 1'));
  });

  it('says that the folder is read-only', async (context) => {
    const isRoot = process.getuid?.() === 0;
    const readOnly = await mkdtemp(join(folder, 'read-only-'));
    // Permissions do not stop root; a read-only file system does.
    if (isRoot && spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'veza-test', readOnly]).status !== 0) {
      console.warn('SKIPPED: cannot mount a small tmpfs here');
      return context.skip();
    }
    try {
      const before = openReleaseCatalog(readOnly);
      await before.add(release(1));
      await before.close();
      if (isRoot) expect(spawnSync('mount', ['-o', 'remount,ro', readOnly]).status).toBe(0);
      else await chmod(readOnly, 0o555);
      if (!isRoot) await chmod(join(readOnly, 'releases.db'), 0o444);
      expect(() => openReleaseCatalog(readOnly)).toThrow(StoreUnavailableError);
    } finally {
      if (isRoot) spawnSync('umount', [readOnly]);
      else await chmod(readOnly, 0o755);
    }
    return undefined;
  });
});
