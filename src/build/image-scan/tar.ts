import { ByteSource } from './byte-source.ts';

// A reader for tar archives of strangers: POSIX.1-2001 (ustar and pax), GNU's long names and numbers in base 256. It differs from
// a library's in what it refuses: headers that another reader could take for something else, and lengths that nobody needs.
// https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06

/** Why an archive is refused, in words. */
export class TarRefused extends Error {}

export interface TarEntry {
  /** As it stands in the archive. */
  readonly name: string;
  readonly type: 'file' | 'hardlink' | 'symlink' | 'device' | 'folder' | 'pipe';
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly target: string | null;
  /** It has the extended attribute `security.capability`. */
  readonly capable: boolean;
}

const BLOCK = 512;
/** Linux allows 4,096 bytes of path; records about one file need no more than this. */
const MOST_EXTENDED = 1024 * 1024;

/**
 * Hands each entry to `visit`, which need not read the body.
 *
 * @returns what follows the end of the archive, which no extraction sees
 * @throws TarRefused, and what `visit` throws
 */
export async function readTar(
  pieces: AsyncIterable<Uint8Array>,
  visit: (entry: TarEntry, body: AsyncIterable<Buffer>) => Promise<void>,
  signal: AbortSignal,
): Promise<AsyncIterable<Buffer>> {
  const source = new ByteSource(pieces);
  let local = new Map<string, string>();
  const everywhere = new Map<string, string>();
  for (;;) {
    signal.throwIfAborted();
    const block = await source.take(BLOCK);
    // Two blocks of zeros end an archive; the end of the file does, too, for every reader that there is.
    if (block.byteLength === 0) return source.remaining();
    if (block.byteLength < BLOCK) throw new TarRefused('it ends in the middle of a header');
    if (isZero(block)) {
      const second = await source.peek(BLOCK);
      if (second.byteLength > 0 && !isZero(second)) throw new TarRefused('an empty header stands before others');
      return source.remaining();
    }
    const header = readHeader(block);
    const { flag } = header;
    if (flag === 'x' || flag === 'g' || flag === 'L' || flag === 'K') {
      if (header.size > MOST_EXTENDED)
        throw new TarRefused(`${header.size} bytes of names and attributes for one entry`);
      const content = await exactly(source, header.size);
      if (flag === 'L') local.set('path', cString(content));
      else if (flag === 'K') local.set('linkpath', cString(content));
      else for (const [key, value] of paxRecords(content)) (flag === 'g' ? everywhere : local).set(key, value);
      continue;
    }
    const entry = entryOf(header, (key) => local.get(key) ?? everywhere.get(key), [
      ...local.keys(),
      ...everywhere.keys(),
    ]);
    local = new Map();
    const body = new Body(source, entry.size);
    await visit(entry, body.pieces());
    await body.skip(signal);
    await source.take(padding(entry.size));
  }
}

/** What of an entry's content has not been read yet, whoever stopped reading it. */
class Body {
  readonly #source: ByteSource;
  #left: number;

  constructor(source: ByteSource, size: number) {
    this.#source = source;
    this.#left = size;
  }

  async *pieces(): AsyncGenerator<Buffer> {
    while (this.#left > 0) yield await this.#next();
  }

  async skip(signal: AbortSignal): Promise<void> {
    while (this.#left > 0) {
      signal.throwIfAborted();
      await this.#next();
    }
  }

  async #next(): Promise<Buffer> {
    const piece = await this.#source.some(this.#left);
    if (piece.byteLength === 0) throw new TarRefused('it ends in the middle of a file');
    this.#left -= piece.byteLength;
    return piece;
  }
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;
const isZero = (block: Buffer): boolean => block.every((byte) => byte === 0);
const utf8 = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });
const cString = (bytes: Buffer): string => {
  const end = bytes.indexOf(0);
  return utf8.decode(end === -1 ? bytes : bytes.subarray(0, end));
};

/** With the padding that follows it. */
async function exactly(source: ByteSource, size: number): Promise<Buffer> {
  const bytes = await source.take(size);
  if (bytes.byteLength < size) throw new TarRefused('it ends in the middle of an entry');
  if (padding(size) > 0) await source.take(padding(size));
  return bytes;
}

interface Header {
  readonly name: string;
  readonly flag: string;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly target: string;
}

function readHeader(block: Buffer): Header {
  const wanted = octal(block, 148, 8, 'checksum');
  let [unsigned, signed] = [0, 0];
  for (const [index, byte] of block.entries()) {
    const value = index >= 148 && index < 156 ? 0x20 : byte;
    unsigned += value;
    signed += value > 127 ? value - 256 : value;
  }
  if (wanted !== unsigned && wanted !== signed) throw new TarRefused('a header does not have the sum that it says');
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? cString(block.subarray(345, 500)) : '';
  const name = cString(block.subarray(0, 100));
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    flag: String.fromCharCode(block[156] ?? 0),
    size: octal(block, 124, 12, 'size'),
    mode: octal(block, 100, 8, 'mode') & 0o7777,
    uid: octal(block, 108, 8, 'uid'),
    gid: octal(block, 116, 8, 'gid'),
    target: cString(block.subarray(157, 257)),
  };
}

function octal(block: Buffer, at: number, length: number, what: string): number {
  const field = block.subarray(at, at + length);
  const first = field[0] ?? 0;
  if (first & 0x80) {
    if (first === 0xff) throw new TarRefused(`a negative ${what}`);
    let value = BigInt(first & 0x7f);
    for (const byte of field.subarray(1)) value = (value << 8n) | BigInt(byte);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new TarRefused(`a ${what} of ${value}`);
    return Number(value);
  }
  const text = field.toString('latin1').replace(/^[ \0]+|[ \0]+$/g, '');
  if (!/^[0-7]*$/.test(text)) throw new TarRefused(`a ${what} that is no octal number`);
  return text === '' ? 0 : Number.parseInt(text, 8);
}

function* paxRecords(content: Buffer): Generator<readonly [string, string]> {
  let at = 0;
  while (at < content.byteLength) {
    const space = content.indexOf(0x20, at);
    const digits = space === -1 ? '' : content.toString('latin1', at, space);
    const length = /^[1-9]\d{0,7}$/.test(digits) ? Number(digits) : 0;
    const equals = content.indexOf(0x3d, space);
    const end = at + length;
    if (length === 0 || end > content.byteLength || content[end - 1] !== 0x0a || equals === -1 || equals >= end) {
      throw new TarRefused('attributes of an entry that cannot be read');
    }
    yield [utf8.decode(content.subarray(space + 1, equals)), utf8.decode(content.subarray(equals + 1, end - 1))];
    at = end;
  }
}

const TYPES: Readonly<Record<string, TarEntry['type']>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'device',
  '4': 'device',
  '5': 'folder',
  '6': 'pipe',
};

function entryOf(header: Header, extended: (key: string) => string | undefined, keys: readonly string[]): TarEntry {
  if (keys.some((key) => key.startsWith('GNU.sparse')))
    throw new TarRefused('a file with holes, which readers take differently');
  const name = extended('path') ?? header.name;
  let type = TYPES[header.flag];
  if (type === undefined) throw new TarRefused(`an entry of the kind ${JSON.stringify(header.flag)}`);
  if (type === 'file' && name.endsWith('/')) type = 'folder';
  const size = whole(extended('size'), header.size, 'size');
  if (type !== 'file' && size !== 0)
    throw new TarRefused(`${JSON.stringify(name.slice(0, 200))} is a ${type} with content`);
  return {
    name,
    type,
    size,
    mode: header.mode,
    uid: whole(extended('uid'), header.uid, 'uid'),
    gid: whole(extended('gid'), header.gid, 'gid'),
    target: type === 'symlink' || type === 'hardlink' ? (extended('linkpath') ?? header.target) : null,
    capable: keys.includes('SCHILY.xattr.security.capability'),
  };
}

function whole(text: string | undefined, otherwise: number, what: string): number {
  if (text === undefined || text === '') return otherwise;
  if (!/^\d{1,15}$/.test(text)) throw new TarRefused(`a ${what} that is no number`);
  return Number(text);
}
