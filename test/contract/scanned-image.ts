import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import type { Digest } from '../../src/core/units/quantities.ts';

/** A file of a layer: its content, or more about it. */
export type LayerFile =
  | string
  | Buffer
  | {
      readonly mode?: number;
      readonly uid?: number;
      readonly content?: string | Buffer;
      readonly link?: string;
      readonly folder?: true;
    };
export type Layer = Readonly<Record<string, LayerFile>>;

const digestOf = (bytes: Buffer): Digest => `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;

export async function tarOf(files: Layer): Promise<Buffer> {
  const tar = pack();
  for (const [name, file] of Object.entries(files)) {
    const {
      mode = 0o444,
      uid = 0,
      content = '',
      link,
      folder,
    } = typeof file === 'string' || Buffer.isBuffer(file) ? { content: file } : file;
    if (link !== undefined) tar.entry({ name, uid, mode: 0o777, type: 'symlink', linkname: link });
    else if (folder === true) tar.entry({ name, uid, mode, type: 'directory' });
    else tar.entry({ name, uid, mode }, content);
  }
  tar.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of tar as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

/**
 * Writes an OCI image layout with one image, by the specification and not by the product's own builder, which makes no bad ones.
 *
 * @returns digest of the manifest
 */
export async function writeImage(
  root: string,
  layers: readonly Layer[],
  config: Readonly<Record<string, unknown>>,
): Promise<Digest> {
  const blobs = join(root, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const put = async (bytes: Buffer): Promise<Digest> => {
    const digest = digestOf(bytes);
    await writeFile(join(blobs, digest.slice('sha256:'.length)), bytes);
    return digest;
  };
  const tars = await Promise.all(layers.map(tarOf));
  const descriptors = await Promise.all(
    tars.map(async (tar) => {
      const packed = gzipSync(tar);
      return {
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        digest: await put(packed),
        size: packed.byteLength,
      };
    }),
  );
  const configuration = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      ...config,
      rootfs: { type: 'layers', diff_ids: tars.map(digestOf) },
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: await put(configuration),
        size: configuration.byteLength,
      },
      layers: descriptors,
    }),
  );
  const digest = await put(manifest);
  await writeFile(join(root, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(
    join(root, 'index.json'),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: manifest.byteLength }],
    }),
  );
  return digest;
}

const crc = (bytes: Buffer): number => {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return (value ^ 0xffffffff) >>> 0;
};

/** A ZIP with stored members: what wheels, jars and models are. */
export function zipOf(files: Readonly<Record<string, string>>): Buffer {
  const locals: Buffer[] = [];
  const entries: Buffer[] = [];
  let at = 0;
  for (const [name, text] of Object.entries(files)) {
    const [bytes, nameBytes] = [Buffer.from(text), Buffer.from(name)];
    const local = Buffer.alloc(30);
    local.write('PK\u0003\u0004', 'latin1');
    local.writeUInt32LE(crc(bytes), 14);
    local.writeUInt32LE(bytes.byteLength, 18);
    local.writeUInt32LE(bytes.byteLength, 22);
    local.writeUInt16LE(nameBytes.byteLength, 26);
    const entry = Buffer.alloc(46);
    entry.write('PK\u0001\u0002', 'latin1');
    local.copy(entry, 16, 14, 28);
    entry.writeUInt32LE(at, 42);
    locals.push(local, nameBytes, bytes);
    entries.push(entry, nameBytes);
    at += 30 + nameBytes.byteLength + bytes.byteLength;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.write('PK\u0005\u0006', 'latin1');
  end.writeUInt16LE(locals.length / 3, 8);
  end.writeUInt16LE(locals.length / 3, 10);
  end.writeUInt32LE(directory.byteLength, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, directory, end]);
}
