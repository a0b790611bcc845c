import fc from 'fast-check';
import { pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, Spent } from './limits.ts';
import { readLayer } from './layer.ts';
import { readTar, type TarEntry, TarRefused } from './tar.ts';

const signal = new AbortController().signal;

interface Wanted {
  readonly name: string;
  readonly content: Uint8Array;
  readonly mode: number;
  readonly uid: number;
}

/** With another program's writer, so that reader and writer cannot be wrong in the same way. */
async function packed(entries: readonly Wanted[]): Promise<Buffer> {
  const tar = pack();
  for (const { name, content, mode, uid } of entries) tar.entry({ name, mode, uid }, Buffer.from(content));
  tar.finalize();
  return await whole(tar as AsyncIterable<Buffer>);
}

async function whole(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of body) all.push(piece);
  return Buffer.concat(all);
}

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.byteLength; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

async function entriesOf(
  bytes: Buffer,
  size: number,
  readBodies: boolean,
): Promise<readonly [TarEntry, Buffer | null][]> {
  const found: [TarEntry, Buffer | null][] = [];
  await readTar(
    pieces(bytes, size),
    async (entry, body) => {
      found.push([entry, readBodies ? await whole(body) : null]);
    },
    signal,
  );
  return found;
}

const name = fc.oneof(
  fc.stringMatching(/^[a-zA-Z0-9._-]{1,60}$/),
  fc.array(fc.stringMatching(/^[a-zé0-9]{1,40}$/u), { minLength: 2, maxLength: 9 }).map((parts) => parts.join('/')),
);
const wanted = fc.record({
  name,
  content: fc.uint8Array({ maxLength: 2000 }),
  mode: fc.constantFrom(0o644, 0o4755, 0o1777),
  uid: fc.constantFrom(0, 10_001, 200_000),
});

describe('a tar archive', () => {
  it('is read as it was written, in pieces of any size, whether bodies are read or not', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(wanted, { maxLength: 6 }),
        fc.integer({ min: 1, max: 3000 }),
        fc.boolean(),
        async (all, size, readBodies) => {
          const found = await entriesOf(await packed(all), size, readBodies);
          expect(found.map(([entry]) => [entry.name, entry.size, entry.mode, entry.uid])).toEqual(
            all.map((one) => [one.name, one.content.byteLength, one.mode, one.uid]),
          );
          if (readBodies) expect(found.map(([, body]) => body)).toEqual(all.map((one) => Buffer.from(one.content)));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('that is cut off or changed is refused or read, and never anything else', async () => {
    const intact = await packed([
      { name: 'a/b', content: Buffer.alloc(700, 1), mode: 0o644, uid: 0 },
      { name: 'x'.repeat(150), content: Buffer.from('y'), mode: 0o644, uid: 0 },
    ]);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(intact.byteLength),
        fc.nat(intact.byteLength - 1),
        fc.nat(255),
        async (end, at, value) => {
          const changed = Buffer.from(intact);
          changed[at] = value;
          await entriesOf(changed.subarray(0, end), 512, true).catch((error: unknown) =>
            expect(error).toBeInstanceOf(TarRefused),
          );
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a layer', () => {
  const read = (bytes: Buffer, limits = DEFAULT_LIMITS) => readLayer(pieces(bytes, 4096), limits, new Spent(), signal);
  const one = (path: string): Wanted => ({ name: path, content: Buffer.from('x'), mode: 0o644, uid: 0 });

  it.each(['../etc/passwd', 'a/../../b', 'a/..'])('with the path %s is refused', async (path) => {
    await expect(read(await packed([one(path)]))).rejects.toThrow('leads out of the image');
  });
  it('with something behind its end is refused: no container sees it, but everybody who has the layer', async () => {
    await expect(read(Buffer.concat([await packed([one('a')]), Buffer.from('hidden')]))).rejects.toThrow(
      'something follows its end',
    );
  });
  it('with more files, or more bytes, than the limits is refused', async () => {
    const bytes = await packed([one('a'), one('b'), one('c')]);
    await expect(read(bytes, { ...DEFAULT_LIMITS, mostEntries: 2 })).rejects.toThrow('more than 2 files');
    await expect(read(bytes, { ...DEFAULT_LIMITS, mostBytes: 1024 })).rejects.toThrow('more than 1024 bytes');
  });
  it('has whiteouts under the names that they hide', async () => {
    const { entries } = await read(await packed([one('a/.wh.b'), one('a/.wh..wh..opq'), one('./c//d')]));
    expect(entries.map(({ path, kind }) => [path, kind])).toEqual([
      ['a/b', 'whiteout'],
      ['a', 'opaque'],
      ['c/d', 'file'],
    ]);
  });
});
