import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { MANIFEST, manifestSchema, type Manifest } from './archive.ts';

export interface VerifiedArchive {
  readonly manifest: Manifest;
  /** lines of each entry of rows, as objects */
  readonly rows: ReadonlyMap<string, readonly unknown[]>;
}

/** An archive is not whole or not what its manifest says. */
export class ArchiveRefused extends Error {
  override readonly name = 'ArchiveRefused';
}

/** Reads an archive to its end and holds it against its manifest. @throws ArchiveRefused; what the stream throws */
export async function verifyArchive(archive: Readable): Promise<VerifiedArchive> {
  const tar = extract();
  const found = new Map<string, { readonly bytes: number; readonly sha256: string }>();
  const rows = new Map<string, unknown[]>();
  let manifest: Manifest | null = null;
  const reading = (async () => {
    for await (const entry of tar) {
      const { name } = entry.header;
      if (manifest !== null) throw new ArchiveRefused('something follows the manifest');
      const hash = createHash('sha256');
      const kept: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of entry as AsyncIterable<Uint8Array>) {
        hash.update(chunk);
        bytes += chunk.length;
        if (name.endsWith('.ndjson') || name === MANIFEST) kept.push(chunk);
      }
      const text = Buffer.concat(kept).toString('utf8');
      if (name === MANIFEST) manifest = manifestSchema.parse(JSON.parse(text));
      else found.set(name, { bytes, sha256: hash.digest('hex') });
      if (name.endsWith('.ndjson')) {
        rows.set(
          name,
          text
            .split('\n')
            .filter((line) => line !== '')
            .map((line): unknown => JSON.parse(line)),
        );
      }
    }
  })();
  await Promise.all([pipeline(archive, tar), reading]);
  return { manifest: compared(manifest, found), rows };
}

function compared(
  manifest: Manifest | null,
  found: ReadonlyMap<string, { readonly bytes: number; readonly sha256: string }>,
): Manifest {
  if (manifest === null) throw new ArchiveRefused('the archive was cut short: it has no manifest');
  if (manifest.files.length !== found.size) throw new ArchiveRefused('there are other files than the manifest says');
  for (const { name, bytes, sha256 } of manifest.files) {
    const file = found.get(name);
    if (file?.bytes !== bytes || file.sha256 !== sha256)
      throw new ArchiveRefused(`${name} is not what the manifest says`);
  }
  return manifest;
}
