import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, open, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ObjectCorrupt, StorageFull, StorageUnavailable } from '../errors.ts';
import { isKey } from '../key.ts';
import { storageContract } from '../storage.contract.ts';
import { bodyOf, contentOf, never, noise, openHandles, sha256Of, until } from '../testing.ts';
import { FileStorage } from './file-storage.ts';

const audio = { contentType: 'audio/mpeg', signal: never };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'veza-files-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('objects in a folder', () => {
  storageContract(() => {
    const root = join(folder, 'storage');
    return Promise.resolve({
      storage: new FileStorage(root),
      other: new FileStorage(root),
      end: async () => {
        // Nothing of what broke off is left lying about.
        const left = await readdir(join(root, 'temporary')).catch(() => []);
        expect(left).toEqual([]);
      },
    });
  });
});

describe('what lies in the folder', () => {
  const path = (): string => join(folder, 'objects', 'tracks', 'one~');
  const storeOne = async (content: Buffer): Promise<FileStorage> => {
    const storage = new FileStorage(folder);
    await storage.put('tracks/one', bodyOf(content), audio);
    return storage;
  };

  test('never lies outside of it, whatever the key', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z./~%\\]{0,20}$/)), (text) => {
        fc.pre(isKey(text));
        return join('/root', `${text}~`).startsWith('/root/') && !text.split('/').some((part) => part.startsWith('.'));
      }),
    );
  });

  test('is closed to others', async () => {
    await storeOne(Buffer.from('x'));
    expect((await stat(path())).mode & 0o077).toBe(0);
    expect((await stat(join(folder, 'objects'))).mode & 0o077).toBe(0);
  });

  test('is told to be damaged when it was cut off', async () => {
    const storage = await storeOne(noise(100_000));
    await truncate(path(), 50_000);
    await expect(storage.head('tracks/one', never)).rejects.toThrow(ObjectCorrupt);
    await expect(storage.get('tracks/one', { signal: never })).rejects.toThrow(ObjectCorrupt);
  });

  test('is told to be damaged when it was cut off while it was read', async () => {
    const storage = await storeOne(noise(1_000_000));
    const reading = await storage.get('tracks/one', { signal: never });
    await truncate(path(), 200_000);
    await expect(contentOf(reading)).rejects.toThrow(ObjectCorrupt);
  });

  test('is told to be damaged when its first bytes were', async () => {
    const storage = await storeOne(Buffer.from('x'));
    await writeFile(path(), 'anything else');
    await expect(storage.get('tracks/one', { signal: never })).rejects.toThrow(ObjectCorrupt);
    await writeFile(path(), '');
    await expect(storage.head('tracks/one', never)).rejects.toThrow(ObjectCorrupt);
  });

  test.each([0, 70_000, 99_999])('is told to be damaged when a bit has flipped, at %i', async (at) => {
    const content = noise(100_000);
    const storage = await storeOne(content);
    const file = await open(path(), 'r+');
    await file.write(Buffer.from([(content[at] ?? 0) ^ 4]), 0, 1, 512 + at);
    await file.close();
    await expect(contentOf(await storage.get('tracks/one', { signal: never }))).rejects.toThrow(ObjectCorrupt);
  });

  test('is read to its end by who has begun, though it is replaced or removed', async () => {
    const old = noise(3_000_000, 1);
    const storage = await storeOne(old);
    const reading = await storage.get('tracks/one', { signal: never });
    const removed = await storage.get('tracks/one', { signal: never });
    await storage.put('tracks/one', bodyOf(noise(3_000_000, 2)), audio);
    expect(sha256Of(await contentOf(reading))).toBe(sha256Of(old));
    await storage.delete('tracks/one', never);
    expect(sha256Of(await contentOf(removed))).toBe(sha256Of(old));
  });

  test('is rid of what a process left that died, and of nothing younger', async () => {
    const temporary = join(folder, 'temporary');
    await mkdir(temporary);
    await writeFile(join(temporary, 'object-old'), 'x');
    await writeFile(join(temporary, 'object-young'), 'x');
    const yesterday = (Date.now() - 25 * 3_600_000) / 1000;
    await utimes(join(temporary, 'object-old'), yesterday, yesterday);
    await storeOne(Buffer.from('x'));
    expect(await readdir(temporary)).toEqual(['object-young']);
  });

  test('is unavailable when the folder is none', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const storage = new FileStorage(file);
    await expect(storage.check(never)).rejects.toThrow(StorageUnavailable);
    await expect(storage.put('tracks/one', bodyOf('x'), audio)).rejects.toThrow(StorageUnavailable);
  });
});

describe('on a full disk', () => {
  let disk: string;
  beforeEach(async () => {
    disk = join(folder, 'disk');
    await mkdir(disk);
    await chmod(disk, 0o700);
    await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', disk]);
  });
  afterEach(async () => {
    await promisify(execFile)('umount', [disk]);
  });

  test('an object is refused as a whole, what was there stays, and there is room again after a removal', async () => {
    const storage = new FileStorage(disk);
    const before = noise(4_000_000, 1);
    await storage.put('tracks/one', bodyOf(before), audio);
    const handles = await openHandles();
    await expect(storage.put('tracks/two', bodyOf(noise(20_000_000, 2)), audio)).rejects.toThrow(StorageFull);
    await expect(storage.put('tracks/one', bodyOf(noise(20_000_000, 3)), audio)).rejects.toThrow(StorageFull);
    expect(await storage.head('tracks/two', never)).toBeNull();
    expect(sha256Of(await contentOf(await storage.get('tracks/one', { signal: never })))).toBe(sha256Of(before));
    expect(await readdir(join(disk, 'temporary'))).toEqual([]);
    await until(async () => (await openHandles()) <= handles, 'files are closed');
    await storage.delete('tracks/one', never);
    const after = noise(9_000_000, 4);
    await storage.put('tracks/two', bodyOf(after), audio);
    expect(sha256Of(await contentOf(await storage.get('tracks/two', { signal: never })))).toBe(sha256Of(after));
  });

  test('an upload keeps its whole pieces, and goes on when there is room', async () => {
    const storage = new FileStorage(disk);
    await storage.put('tracks/large', bodyOf(noise(6_000_000)), audio);
    await storage.begin('tracks/one', audio);
    const content = noise(4_000_000, 2);
    const halves = [content.subarray(0, 2_000_000), content.subarray(2_000_000)] as const;
    await storage.append('tracks/one', 0, bodyOf(halves[0]), { signal: never });
    const second = storage.append('tracks/one', 2_000_000, bodyOf(halves[1], noise(9_000_000)), { signal: never });
    await expect(second).rejects.toThrow(StorageFull);
    expect(await storage.uploaded('tracks/one', never)).toBe(2_000_000);
    await storage.delete('tracks/large', never);
    await storage.append('tracks/one', 2_000_000, bodyOf(halves[1]), { signal: never });
    await storage.finish('tracks/one', { sha256: sha256Of(content), signal: never });
    expect(sha256Of(await contentOf(await storage.get('tracks/one', { signal: never })))).toBe(sha256Of(content));
  });
});
