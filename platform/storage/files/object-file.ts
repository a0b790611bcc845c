import type { FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { ObjectCorrupt } from '../errors.ts';
import type { ObjectHead } from '../object-storage.ts';

// An object is one file: 512 bytes that say what it is, then its content. What is known of the content is thus never another
// version's. `tail -c +513` gives the content to a person.
export const HEADER_BYTES = 512;
const MAGIC = 'veza-object 1 ';

const headerSchema = z.strictObject({
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  crc32: z.int().nonnegative(),
  contentType: z.string(),
});

/** What the first bytes of an object's file say. */
export type ObjectHeader = z.output<typeof headerSchema>;

/** @throws TypeError when the content type is too long to be one */
export function writeHeader(header: ObjectHeader): Buffer {
  const text = MAGIC + JSON.stringify(header);
  if (Buffer.byteLength(text) >= HEADER_BYTES) throw new TypeError('the content type is too long');
  const buffer = Buffer.alloc(HEADER_BYTES, ' ');
  buffer.write(text);
  buffer.write('\n', HEADER_BYTES - 1);
  return buffer;
}

/** @throws ObjectCorrupt when the file is not an object, or has another length than it says */
export async function readHeader(file: FileHandle): Promise<ObjectHeader> {
  const buffer = Buffer.alloc(HEADER_BYTES);
  const { bytesRead } = await file.read(buffer, 0, HEADER_BYTES, 0);
  const text = buffer.toString('utf8', 0, bytesRead);
  const header = headerSchema.safeParse(text.startsWith(MAGIC) ? parseJson(text.slice(MAGIC.length)) : undefined);
  if (!header.success) throw new ObjectCorrupt('the start of the file of an object is damaged');
  const { size } = await file.stat();
  if (size !== HEADER_BYTES + header.data.bytes) {
    throw new ObjectCorrupt(`the file of an object has ${size} bytes instead of ${HEADER_BYTES + header.data.bytes}`);
  }
  return header.data;
}

/** The etag is the content's own hash. */
export function headOf(header: ObjectHeader): ObjectHead {
  return { bytes: header.bytes, etag: header.sha256, sha256: header.sha256, contentType: header.contentType };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
