import { mkdtemp, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Release, ReleaseId } from '../core/release/release.ts';
import type { Digest, Name } from '../core/units/quantities.ts';
import { ReleaseClaimedError, ReleaseNotFoundError } from '../errors.ts';
import { ArtifactStore } from './artifact-store.ts';
import { ALL_ARTIFACTS, Claims } from './claims.ts';
import { collect, type CollectRequest } from './collect.ts';
import { digestOf } from './digest.ts';
import type { ReleaseCatalog } from './release-catalog.ts';
import { configurationDigest, releaseIdOf } from './release-identity.ts';
import { openReleaseCatalog } from './sqlite-release-catalog.ts';
import { removeTree } from './unpacked-tree.ts';

const never = new AbortController().signal;
let root: string;
let folder: string;
let store: ArtifactStore;
let catalog: ReleaseCatalog;
let claims: Claims;
let artifacts: Digest[];

const setUp = async (): Promise<void> => {
  folder = await mkdtemp(join(root, 'state-'));
  store = await ArtifactStore.open(join(folder, 'artifacts'));
  catalog = openReleaseCatalog(folder);
  claims = new Claims();
  artifacts = [];
  for (let number = 0; number < 3; number += 1) {
    const made = join(folder, `output-${number}`);
    await mkdir(made);
    await writeFile(join(made, 'a'), String(number));
    artifacts.push((await store.put(made, never)).digest);
  }
};

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'collect-test-'));
  await setUp();
});
afterEach(async () => {
  await catalog.close();
  await removeTree(root);
});

/** The number-th release, made of one of three artifacts. */
const release = (number: number, artifactNumber = number % 3): Release => {
  const config = { production: { number } } as unknown as Release['config'];
  const artifact = artifacts[artifactNumber] ?? digestOf('none');
  const identity = { service: 'api' as Name, artifact, configuration: configurationDigest(config), dirty: false };
  return {
    ...identity,
    id: releaseIdOf(identity),
    artifactBytes: 1,
    config,
    source: digestOf('source'),
    commit: 'c',
    subject: 's',
    builder: 'b',
    builtAt: number,
  };
};

const request = (more: Partial<CollectRequest> = {}): CollectRequest => ({
  catalog,
  store,
  claims,
  keepNewest: 2,
  readInUse: async () => new Set(),
  signal: never,
  ...more,
});
const idsLeft = async (): Promise<readonly ReleaseId[]> => (await catalog.list(null)).map((entry) => entry.release.id);
const blobsLeft = async (): Promise<readonly Digest[]> => (await store.list()).map(({ digest }) => digest);

describe('collecting releases', () => {
  it('removes what is neither new nor in use, and artifacts that no release names any more', async () => {
    // Given five releases: 0 and 3 share an artifact, 1 and 4 share one, 2 has its own
    for (let number = 0; number < 5; number += 1) await catalog.add(release(number));
    await store.unpack(release(2).artifact, never);
    // When all but the newest two and the one in use are collected
    const collected = await collect(request({ readInUse: async () => new Set([release(1).id]) }));
    // Then a shared artifact stays for whoever still needs it
    expect(collected).toEqual({
      releases: [release(0).id, release(2).id],
      artifacts: [release(2).artifact],
      spared: [],
      artifactsDeferred: false,
    });
    expect(await idsLeft()).toEqual([release(4).id, release(3).id, release(1).id]);
    expect((await blobsLeft()).toSorted()).toEqual([release(0).artifact, release(1).artifact].toSorted());
    // and doing it again does nothing
    expect(await collect(request({ readInUse: async () => new Set([release(1).id]) }))).toMatchObject({
      releases: [],
      artifacts: [],
    });
  });

  it('spares what is claimed, and what was taken into use or built again after the plan was made', async () => {
    for (let number = 0; number < 5; number += 1) await catalog.add(release(number));
    const letGo = claims.use(release(0).id);
    let reads = 0;
    const readInUse = async (): Promise<ReadonlySet<ReleaseId>> => {
      reads += 1;
      if (reads === 2) await catalog.add(release(2));
      return new Set(reads > 1 ? [release(1).id] : []);
    };
    const collected = await collect(request({ readInUse }));
    expect(collected).toMatchObject({ releases: [], spared: [release(0).id, release(1).id, release(2).id] });
    letGo();
  });

  it('removes nothing when it cannot learn what is in use', async () => {
    for (let number = 0; number < 5; number += 1) await catalog.add(release(number));
    let reads = 0;
    const readInUse = async (): Promise<ReadonlySet<ReleaseId>> => {
      reads += 1;
      if (reads > 1) throw new Error('the journal cannot be read');
      return new Set();
    };
    await expect(collect(request({ readInUse }))).rejects.toThrow('the journal cannot be read');
    expect(await idsLeft()).toHaveLength(5);
    // and leaves no claim behind
    claims.use(release(0).id)();
  });

  it('leaves artifacts alone while a build is storing one, and takes orphans the next time', async () => {
    await catalog.add(release(0));
    const letGo = claims.use(ALL_ARTIFACTS);
    expect(await collect(request())).toMatchObject({ artifacts: [], artifactsDeferred: true });
    expect(await blobsLeft()).toHaveLength(3);
    letGo();
    expect((await collect(request())).artifacts.toSorted()).toEqual(
      [release(1).artifact, release(2).artifact].toSorted(),
    );
  });

  it('never takes a release away from a deployment, however the two interleave', async () => {
    let started = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.uniqueArray(fc.nat({ max: 3 }), { minLength: 1, maxLength: 4 }),
        async (scheduler, deployed) => {
          await catalog.close();
          await setUp();
          for (let number = 0; number < 6; number += 1) await catalog.add(release(number));
          const inUse = new Set<ReleaseId>();
          // A step during which anything else may happen
          const pause = (what: string): Promise<void> => scheduler.schedule(Promise.resolve(), what);
          const readInUse = async (): Promise<ReadonlySet<ReleaseId>> => {
            await pause('before the journal is read');
            const now = new Set(inUse);
            await pause('before the answer arrives');
            return now;
          };
          const deploy = async (number: number): Promise<ReleaseId | null> => {
            await pause(`deployment of ${number} arrives`);
            const { id } = release(number);
            try {
              const letGo = claims.use(id);
              try {
                await pause(`${number} is claimed`);
                await catalog.get(id, null);
                await pause(`${number} was found`);
                inUse.add(id);
                await pause(`${number} is journaled`);
              } finally {
                letGo();
              }
              return id;
            } catch (error) {
              if (error instanceof ReleaseClaimedError || error instanceof ReleaseNotFoundError) return null;
              throw error;
            }
          };
          const all = Promise.all([collect(request({ readInUse })), ...deployed.map((number) => deploy(number))]);
          await scheduler.waitFor(all);
          const [collected, ...outcomes] = await all;
          const left = await idsLeft();
          const blobs = await blobsLeft();
          for (const [index, number] of deployed.entries()) {
            if (outcomes[index] === null) {
              refused += 1;
              expect(collected.releases).toContain(release(number).id);
            } else {
              started += 1;
              expect(left).toContain(release(number).id);
              expect(blobs).toContain(release(number).artifact);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
    // Both outcomes were seen, or this would show nothing
    expect(started).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  }, 60_000);
});
