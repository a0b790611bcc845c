/* oxlint-disable no-control-regex -- the bytes by which formats are known */
import { promisify } from 'node:util';
import { inflateRaw, zstdDecompress } from 'node:zlib';

// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, as far as wheels, jars and models need it.

const inflate = promisify(inflateRaw);
const unzstd = promisify(zstdDecompress);

export interface ZipMember {
  readonly name: string;
  readonly packedBytes: number;
  readonly bytes: number;
  readonly method: number;
  readonly isEncrypted: boolean;
  readonly at: number;
}

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;

/** What the directory at the end of a ZIP lists; null when there is none that can be read. */
export function zipMembers(zip: Buffer): readonly ZipMember[] | null {
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
  if (end === -1 || end + 22 > zip.byteLength || zip.readUInt32LE(end) !== END) return null;
  const count = zip.readUInt16LE(end + 10);
  const length = zip.readUInt32LE(end + 12);
  // Archives may have something before them; offsets count from where they begin.
  const start = end - length;
  const shift = start - zip.readUInt32LE(end + 16);
  if (start < 0 || shift < 0 || count === 0xffff) return null;
  const members: ZipMember[] = [];
  let at = start;
  for (let index = 0; index < count; index += 1) {
    if (at + 46 > end || zip.readUInt32LE(at) !== ENTRY) return null;
    const nameLength = zip.readUInt16LE(at + 28);
    members.push({
      name: zip.toString('utf8', at + 46, at + 46 + nameLength),
      packedBytes: zip.readUInt32LE(at + 20),
      bytes: zip.readUInt32LE(at + 24),
      method: zip.readUInt16LE(at + 10),
      isEncrypted: (zip.readUInt16LE(at + 8) & 1) === 1,
      at: zip.readUInt32LE(at + 42) + shift,
    });
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return members;
}

/**
 * The content of a member.
 *
 * @param mostBytes refused beyond
 * @returns null when it is encrypted, damaged, too large, or packed in a way that is not known here
 */
export async function unpackMember(zip: Buffer, member: ZipMember, mostBytes: number): Promise<Buffer | null> {
  if (member.isEncrypted || member.at + 30 > zip.byteLength || zip.readUInt32LE(member.at) !== LOCAL) return null;
  const from = member.at + 30 + zip.readUInt16LE(member.at + 26) + zip.readUInt16LE(member.at + 28);
  const packed = zip.subarray(from, from + member.packedBytes);
  if (packed.byteLength !== member.packedBytes || member.bytes > mostBytes) return null;
  const most = Math.max(1, Math.min(mostBytes, member.bytes + 1));
  try {
    if (member.method === 0) return packed;
    if (member.method === 8) return await inflate(packed, { maxOutputLength: most });
    if (member.method === 93) return await unzstd(packed, { maxOutputLength: most });
    return null;
  } catch {
    return null;
  }
}

/** Names in the headers before each member: there even when the end of the archive is not, or lies about them. */
export function zipNamesIn(window: string): readonly string[] {
  return [...window.matchAll(/PK\u0003\u0004[\s\S]{22}([\s\S])([\s\S])[\s\S]{2}/g)].flatMap((match) => {
    const length = (match[1]?.charCodeAt(0) ?? 0) + 256 * (match[2]?.charCodeAt(0) ?? 0);
    const at = match.index + match[0].length;
    return length === 0 || length > 1024 ? [] : [window.slice(at, at + length)];
  });
}
