import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ChecksumMismatch,
  InvalidKey,
  LengthMismatch,
  NoUpload,
  ObjectChanged,
  OffsetConflict,
  TooLong,
} from './errors.ts';
import type { ObjectStorage } from './object-storage.ts';
import { PIECE_BYTES } from './spool.ts';
import {
  bodyOf,
  brokenAfter,
  contentOf,
  heldBytes,
  never,
  noise,
  openHandles,
  sha256Of,
  stuckAfter,
  until,
} from './testing.ts';

/** A storage with nothing in it. `other` is a second one of the same place, as another instance of a service has it. */
export interface StorageUnderTest {
  readonly storage: ObjectStorage;
  readonly other: ObjectStorage;
  end(): Promise<void>;
}

const audio = { contentType: 'audio/mpeg', signal: never };

/** What every kind of object storage has to do. */
export function storageContract(open: () => Promise<StorageUnderTest>): void {
  let under: StorageUnderTest;
  let storage: ObjectStorage;
  let other: ObjectStorage;

  beforeEach(async () => {
    under = await open();
    ({ storage, other } = under);
  });
  afterEach(async () => {
    await under.end();
  });

  const keys = async (prefix = ''): Promise<string[]> => {
    const found: string[] = [];
    for await (const key of storage.list(prefix, never)) found.push(key);
    return found;
  };

  describe('whole objects', () => {
    test.each([0, 1, 65_536, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES + 12_345])(
      'come back as they were stored: %i bytes',
      async (bytes) => {
        const content = noise(bytes);
        const stored = await storage.put('tracks/one', bodyOf(content), audio);
        const reading = await other.get('tracks/one', { signal: never });
        expect(stored.bytes).toBe(bytes);
        expect(reading).toMatchObject({ bytes, etag: stored.etag, contentType: 'audio/mpeg' });
        expect(sha256Of(await contentOf(reading))).toBe(sha256Of(content));
      },
    );

    test('are known by their head', async () => {
      const stored = await storage.put('tracks/one', bodyOf('hello'), {
        ...audio,
        sha256: sha256Of('hello'),
        bytes: 5,
      });
      const head = await other.head('tracks/one', never);
      expect(head).toEqual({ ...stored, contentType: 'audio/mpeg', sha256: sha256Of('hello') });
      expect(stored.etag).not.toContain('"');
    });

    test('that are not there are null', async () => {
      expect(await storage.head('tracks/none', never)).toBeNull();
      expect(await storage.get('tracks/none', { signal: never })).toBeNull();
      expect(await storage.get('tracks/none', { range: { first: 0, last: 0 }, signal: never })).toBeNull();
    });

    test('replace older ones, with another etag', async () => {
      const old = await storage.put('tracks/one', bodyOf('old'), audio);
      const young = await storage.put('tracks/one', bodyOf('young'), { ...audio, contentType: 'audio/wav' });
      expect(young.etag).not.toBe(old.etag);
      const reading = await storage.get('tracks/one', { signal: never });
      expect(reading?.contentType).toBe('audio/wav');
      expect((await contentOf(reading)).toString()).toBe('young');
    });

    test('are removed, again and again', async () => {
      await storage.put('tracks/one', bodyOf('x'), audio);
      await storage.delete('tracks/one', never);
      await storage.delete('tracks/one', never);
      expect(await storage.head('tracks/one', never)).toBeNull();
      expect(await keys()).toEqual([]);
    });

    test('of writers at the same time, one stays, whole', async () => {
      const contents = Array.from({ length: 8 }, (_, index) => noise(200_000, index));
      await Promise.all(
        contents.map((content, index) => (index % 2 === 0 ? storage : other).put('tracks/one', bodyOf(content), audio)),
      );
      const stayed = sha256Of(await contentOf(await storage.get('tracks/one', { signal: never })));
      expect(contents.map(sha256Of)).toContain(stayed);
      expect(await keys()).toEqual(['tracks/one']);
    });
  });

  describe('a body that is not what was promised leaves what was there', () => {
    beforeEach(async () => {
      await storage.put('tracks/one', bodyOf('before'), audio);
    });
    afterEach(async () => {
      expect((await contentOf(await storage.get('tracks/one', { signal: never }))).toString()).toBe('before');
      expect(await keys()).toEqual(['tracks/one']);
    });

    test('when it breaks off', async () => {
      const storing = storage.put('tracks/one', brokenAfter('half'), audio);
      await expect(storing).rejects.toThrow('the client has gone');
    });

    test('when it breaks off after the first part has been sent', async () => {
      const storing = storage.put('tracks/one', brokenAfter(noise(PIECE_BYTES + 1)), audio);
      await expect(storing).rejects.toThrow('the client has gone');
    });

    test('when its signal aborts while it waits for more', async () => {
      const leaving = new AbortController();
      const gone = new Error('left');
      const body = stuckAfter(() => leaving.abort(gone), 'half');
      await expect(storage.put('tracks/one', body, { ...audio, signal: leaving.signal })).rejects.toBe(gone);
    });

    test('when it is too short or too long', async () => {
      await expect(storage.put('tracks/one', bodyOf('four'), { ...audio, bytes: 5 })).rejects.toThrow(LengthMismatch);
      await expect(storage.put('tracks/one', bodyOf('four', 'x'), { ...audio, bytes: 4 })).rejects.toThrow(
        LengthMismatch,
      );
    });

    test('when it has another checksum', async () => {
      const storing = storage.put('tracks/one', bodyOf('four'), { ...audio, sha256: sha256Of('five') });
      await expect(storing).rejects.toThrow(ChecksumMismatch);
    });

    test('when a large one has another checksum', async () => {
      const large = noise(PIECE_BYTES + 1);
      const storing = storage.put('tracks/one', bodyOf(large), { ...audio, sha256: sha256Of('five') });
      await expect(storing).rejects.toThrow(ChecksumMismatch);
    });
  });

  describe('reading', () => {
    test('gives the very bytes of any range', async () => {
      const content = noise(100_003);
      await storage.put('tracks/one', bodyOf(content), audio);
      const position = fc.integer({ min: 0, max: content.length - 1 });
      await fc.assert(
        fc.asyncProperty(position, position, async (a, b) => {
          const range = { first: Math.min(a, b), last: Math.max(a, b) };
          const reading = await storage.get('tracks/one', { range, signal: never });
          expect(reading?.bytes).toBe(content.length);
          expect((await contentOf(reading)).equals(content.subarray(range.first, range.last + 1))).toBe(true);
        }),
        { numRuns: 200 },
      );
    });

    test('refuses a range that does not lie within', async () => {
      await storage.put('tracks/one', bodyOf('four'), audio);
      for (const range of [
        { first: 4, last: 4 },
        { first: 0, last: 4 },
        { first: 3, last: 2 },
      ]) {
        await expect(storage.get('tracks/one', { range, signal: never })).rejects.toThrow(RangeError);
      }
    });

    test('is of the version that was asked for, or of none', async () => {
      const { etag } = await storage.put('tracks/one', bodyOf('old'), audio);
      expect((await contentOf(await storage.get('tracks/one', { etag, signal: never }))).toString()).toBe('old');
      await storage.put('tracks/one', bodyOf('new'), audio);
      await expect(storage.get('tracks/one', { etag, signal: never })).rejects.toThrow(ObjectChanged);
    });

    test('ends when its signal aborts', async () => {
      await storage.put('tracks/one', bodyOf(noise(4_000_000)), audio);
      const leaving = new AbortController();
      const reading = await storage.get('tracks/one', { signal: leaving.signal });
      leaving.abort(new Error('left'));
      await expect(contentOf(reading)).rejects.toThrow();
    });

    test('takes the same memory however large the object is and however slowly it is read', async () => {
      const content = noise(48 * 1024 * 1024);
      await storage.put('tracks/large', bodyOf(content), audio);
      const before = heldBytes();
      const readings = await Promise.all(
        Array.from({ length: 8 }, () => storage.get('tracks/large', { signal: never })),
      );
      const iterators = readings.map((reading) => reading?.body.iterator() ?? null);
      for (const iterator of iterators) await iterator?.next();
      // Time enough for whatever would be read ahead to have been: another object is written and read meanwhile.
      await storage.put('tracks/meanwhile', bodyOf(content.subarray(0, 1_000_000)), audio);
      await contentOf(await storage.get('tracks/meanwhile', { signal: never }));
      expect(heldBytes() - before).toBeLessThan(readings.length * 1024 * 1024);
      for (const iterator of iterators) await iterator?.return?.();
    });

    test('leaves nothing open, read or not', async () => {
      const content = noise(1_000_000);
      await storage.put('tracks/one', bodyOf(content), audio);
      await contentOf(await storage.get('tracks/one', { signal: never }));
      const before = await openHandles();
      for (let round = 0; round < 40; round += 1) {
        const reading = await storage.get('tracks/one', { signal: never });
        if (round % 3 === 0) await contentOf(reading);
        else if (round % 3 === 1) reading?.body.destroy();
        else {
          for await (const chunk of reading?.body ?? []) {
            expect(chunk).toBeInstanceOf(Uint8Array);
            break;
          }
        }
      }
      // One connection may stay for the next request.
      await until(async () => (await openHandles()) <= before + 1, 'files and sockets are closed');
    });
  });

  describe('listing', () => {
    test('is in the order of keys, below a prefix', async () => {
      const all = ['a/b', 'a/c/d', 'a-b', 'a.b/c', 'ab', 'b/a', 'a/b-c', 'a/b.c'];
      for (const key of all) await storage.put(key, bodyOf(key), audio);
      expect(await keys()).toEqual(all.toSorted());
      expect(await keys('a/')).toEqual(['a/b', 'a/b-c', 'a/b.c', 'a/c/d']);
      expect(await keys('c/')).toEqual([]);
    });

    test('has all of many', async () => {
      const many = Array.from({ length: 1_050 }, (_, index) => `many/${String(index).padStart(5, '0')}`);
      for (let at = 0; at < many.length; at += 50) {
        await Promise.all(many.slice(at, at + 50).map((key) => storage.put(key, bodyOf('x'), audio)));
      }
      expect(await keys('many/')).toEqual(many);
    });

    test('does not have uploads', async () => {
      await storage.begin('tracks/one', audio);
      await storage.append('tracks/one', 0, bodyOf('half'), { signal: never });
      expect(await keys()).toEqual([]);
    });
  });

  test('a key that is none is refused by everything', async () => {
    const body = (): AsyncIterable<Uint8Array> => bodyOf('x');
    const wrong = [
      '',
      '/',
      '..',
      '../x',
      'a/../b',
      'a//b',
      '/a',
      'a/',
      '.hidden',
      'a/.b',
      'A',
      'a b',
      'a\0',
      'a%2fb',
      'a~',
      'é',
      'a\\b',
    ];
    for (const key of [...wrong, 'x'.repeat(129), `${'a/'.repeat(256)}a`]) {
      await expect(storage.put(key, body(), audio), key).rejects.toThrow(InvalidKey);
      await expect(storage.get(key, { signal: never }), key).rejects.toThrow(InvalidKey);
      await expect(storage.head(key, never), key).rejects.toThrow(InvalidKey);
      await expect(storage.delete(key, never), key).rejects.toThrow(InvalidKey);
      await expect(storage.begin(key, audio), key).rejects.toThrow(InvalidKey);
      await expect(storage.uploaded(key, never), key).rejects.toThrow(InvalidKey);
      await expect(storage.append(key, 0, body(), { signal: never }), key).rejects.toThrow(InvalidKey);
      await expect(storage.finish(key, { sha256: sha256Of('x'), signal: never }), key).rejects.toThrow(InvalidKey);
      await expect(storage.abort(key, never), key).rejects.toThrow(InvalidKey);
    }
    for (const prefix of ['..', '../', 'a', '/', '.uploads/', 'a/../']) {
      await expect(keys(prefix), prefix).rejects.toThrow(InvalidKey);
    }
  });

  describe('an upload in pieces', () => {
    const key = 'tracks/one';
    const append = (offset: number, ...chunks: (string | Uint8Array)[]): Promise<number> =>
      storage.append(key, offset, bodyOf(...chunks), { signal: never });
    const finish = (content: string | Uint8Array) => storage.finish(key, { sha256: sha256Of(content), signal: never });

    test('becomes the object at its end, by whichever instance', async () => {
      expect(await storage.uploaded(key, never)).toBeNull();
      await storage.begin(key, audio);
      expect(await other.uploaded(key, never)).toBe(0);
      expect(await append(0, 'one ', 'two ')).toBe(8);
      expect(await other.append(key, 8, bodyOf('three'), { signal: never })).toBe(13);
      expect(await storage.uploaded(key, never)).toBe(13);
      expect(await storage.head(key, never)).toBeNull();
      const stored = await other.finish(key, { sha256: sha256Of('one two three'), signal: never });
      expect(await storage.head(key, never)).toEqual({
        ...stored,
        bytes: 13,
        contentType: 'audio/mpeg',
        sha256: sha256Of('one two three'),
      });
      expect((await contentOf(await storage.get(key, { signal: never }))).toString()).toBe('one two three');
      expect(await storage.uploaded(key, never)).toBeNull();
    });

    test('may be large, in pieces of any length', async () => {
      const content = noise(2 * PIECE_BYTES + 77_777);
      await storage.begin(key, audio);
      const middle = PIECE_BYTES + 1_000;
      expect(await append(0, content.subarray(0, 10))).toBe(10);
      expect(await append(10, content.subarray(10, middle))).toBe(middle);
      expect(await append(middle, content.subarray(middle))).toBe(content.length);
      await finish(content);
      expect(sha256Of(await contentOf(await storage.get(key, { signal: never })))).toBe(sha256Of(content));
    });

    test('may be empty', async () => {
      await storage.begin(key, audio);
      expect(await append(0)).toBe(0);
      expect(await finish('')).toMatchObject({ bytes: 0 });
    });

    test('goes on where it broke off', async () => {
      await storage.begin(key, audio);
      await expect(storage.append(key, 0, brokenAfter('one ', 'tw'), { signal: never })).rejects.toThrow(
        'the client has gone',
      );
      expect(await storage.uploaded(key, never)).toBe(6);
      await append(6, 'o');
      await finish('one two');
      expect((await contentOf(await storage.get(key, { signal: never }))).toString()).toBe('one two');
    });

    test('goes on where its client had gone, with all that had arrived', async () => {
      await storage.begin(key, audio);
      const leaving = new AbortController();
      const gone = new Error('left');
      const large = noise(PIECE_BYTES + 5);
      const body = stuckAfter(() => leaving.abort(gone), large);
      await expect(storage.append(key, 0, body, { signal: leaving.signal })).rejects.toBe(gone);
      expect(await storage.uploaded(key, never)).toBe(large.length);
    });

    test('refuses a piece that belongs elsewhere, and says where it goes on', async () => {
      await storage.begin(key, audio);
      await append(0, 'abc');
      for (const offset of [0, 2, 4]) {
        const refused = await append(offset, 'x').catch((error: unknown) => error);
        expect(refused).toBeInstanceOf(OffsetConflict);
        expect(refused).toMatchObject({ offset: 3 });
      }
      await finish('abc');
    });

    test('takes one of two pieces for the same place at the same time', async () => {
      await storage.begin(key, audio);
      const contents = Array.from({ length: 6 }, (_, index) => `piece ${index}`.padEnd(10 + index, '.'));
      const outcomes = await Promise.allSettled(
        contents.map((content, index) =>
          (index % 2 === 0 ? storage : other).append(key, 0, bodyOf(content), { signal: never }),
        ),
      );
      const won = contents.filter((_, index) => outcomes[index]?.status === 'fulfilled');
      expect(won).toHaveLength(1);
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(OffsetConflict);
      await finish(won[0] ?? '');
    });

    test('keeps to its limit', async () => {
      await storage.begin(key, audio);
      await append(0, 'abc');
      const passing = storage.append(key, 3, bodyOf('de', 'fg'), { limit: 6, signal: never });
      await expect(passing).rejects.toThrow(TooLong);
      expect(await storage.uploaded(key, never)).toBe(6);
      await finish('abcdef');
    });

    test('with another checksum is thrown away', async () => {
      await storage.begin(key, audio);
      await append(0, 'abc');
      await expect(finish('abd')).rejects.toThrow(ChecksumMismatch);
      expect(await storage.uploaded(key, never)).toBeNull();
      expect(await storage.head(key, never)).toBeNull();
      await storage.begin(key, audio);
      await append(0, 'abd');
      await finish('abd');
    });

    test('is finished once, though its answer is asked for twice', async () => {
      await storage.begin(key, audio);
      await append(0, 'abc');
      const [first, second] = [await finish('abc'), await finish('abc')];
      expect(second).toEqual(first);
      await expect(finish('abd')).rejects.toThrow(NoUpload);
    });

    test('may be finished by two at the same time', async () => {
      const content = noise(300_000);
      await storage.begin(key, audio);
      await append(0, content);
      const end = { sha256: sha256Of(content), signal: never };
      await Promise.all([storage.finish(key, end), other.finish(key, end)]);
      expect(sha256Of(await contentOf(await storage.get(key, { signal: never })))).toBe(sha256Of(content));
    });

    test('begins anew without what had arrived, and leaves the object there until its end', async () => {
      await storage.put(key, bodyOf('before'), audio);
      await storage.begin(key, audio);
      await append(0, 'abc');
      await storage.begin(key, { ...audio, contentType: 'audio/wav' });
      expect(await storage.uploaded(key, never)).toBe(0);
      await append(0, 'xy');
      expect((await contentOf(await storage.get(key, { signal: never }))).toString()).toBe('before');
      await finish('xy');
      expect(await storage.head(key, never)).toMatchObject({ bytes: 2, contentType: 'audio/wav' });
    });

    test('that was thrown away or never begun takes nothing', async () => {
      await expect(append(0, 'abc')).rejects.toThrow(NoUpload);
      await storage.begin(key, audio);
      await append(0, 'abc');
      await storage.abort(key, never);
      await storage.abort(key, never);
      expect(await storage.uploaded(key, never)).toBeNull();
      await expect(append(3, 'def')).rejects.toThrow(NoUpload);
      await expect(finish('abc')).rejects.toThrow(NoUpload);
    });

    test('is removed with the object', async () => {
      await storage.begin(key, audio);
      await append(0, 'abc');
      await storage.delete(key, never);
      expect(await storage.uploaded(key, never)).toBeNull();
    });
  });

  test('tells that it can be reached', async () => {
    await expect(storage.check(never)).resolves.toBeUndefined();
  });
}
