import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Plugin } from 'vite';

/** Where compression saves nothing worth a decision. */
const AT_LEAST_BYTES = 512;

/** Writes the Brotli and gzip forms of everything that was built, as small as they get: done once, not for every request. */
export function precompress(): Plugin {
  let folder = '';
  return {
    name: 'veza-precompress',
    apply: 'build',
    configResolved(config) {
      folder = resolve(config.root, config.build.outDir);
    },
    async closeBundle() {
      await precompressFolder(folder);
    },
  };
}

/** @param folder with all that is below it */
export async function precompressFolder(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || /\.(?:br|gz)$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const plain = await readFile(path);
    if (plain.length < AT_LEAST_BYTES) continue;
    const [br, gz] = await Promise.all([
      promisify(brotliCompress)(plain, {
        params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length },
      }),
      promisify(gzip)(plain, { level: 9 }),
    ]);
    if (br.length < plain.length) await writeFile(`${path}.br`, br);
    if (gz.length < plain.length) await writeFile(`${path}.gz`, gz);
  }
}
