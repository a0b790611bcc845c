import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { arch, execPath, version } from 'node:process';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import {
  IMAGE_USER,
  imageArchitecture,
  imageConfiguration,
  imageManifest,
  type StoredImage,
} from '../../core/image/image.ts';
import { BaseImageError } from '../../errors.ts';
import type { LayerEntry } from './layer.ts';
import { putLayer } from './layer.ts';
import { putJson, type ImageLayout } from './layout.ts';

const run = promisify(execFile);
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/** What is found below this base's containers, besides Node and its libraries. No shell, no package manager. */
const FILES: Readonly<Record<string, string>> = {
  'etc/passwd': `root:x:0:0:root:/nonexistent:/nonexistent\nveza:x:${IMAGE_USER}:${IMAGE_USER}:veza:/nonexistent:/nonexistent\n`,
  'etc/group': `root:x:0:\nveza:x:${IMAGE_USER}:\n`,
  // Addresses of hosts: the file first, as everywhere.
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
};

/**
 * A base image made of this machine: the Node that runs us with the libraries that it loads, the certificates of known
 * authorities when there are some, and two files that name the user. For machines that can pull nothing, and for the demo. The
 * same Node and libraries give the same image.
 *
 * @throws BaseImageError where it cannot be made: on anything but Linux, or when the libraries cannot be found out
 */
export async function makeMachineBase(layout: ImageLayout, signal: AbortSignal): Promise<StoredImage> {
  if (process.platform !== 'linux') throw new BaseImageError('this machine does not run Linux');
  const from = new Map<string, string>([['usr/local/bin/node', await realpath(execPath)]]);
  for (const library of await libraries(execPath, signal)) from.set(library.slice(1), await realpath(library));
  if ((await stat(CERTIFICATES).catch(() => null)) !== null)
    from.set(CERTIFICATES.slice(1), await realpath(CERTIFICATES));

  const key = await contentKey(from, signal);
  const name = `machine-base-${key}`;
  const known = await layout.find(name);
  if (known !== null) return known;

  const files = await Promise.all(
    [...from].map(async ([path, source]): Promise<LayerEntry> => {
      const { size, mode } = await stat(source);
      return { kind: 'file', path, mode: (mode & 0o111) === 0 ? 0o644 : 0o755, size, from: source };
    }),
  );
  const texts = Object.entries(FILES).map(([path, text]): LayerEntry => ({ kind: 'text', path, mode: 0o644, text }));
  const layer = await putLayer(layout, withFolders([...files, ...texts]), signal);
  const configuration = await putJson(
    layout,
    imageConfiguration(
      [layer],
      {
        command: null,
        folder: '/',
        environment: { PATH: '/usr/local/bin:/usr/bin:/bin' },
        healthcheck: null,
        labels: { 'org.opencontainers.image.title': `node ${version} of a machine` },
      },
      imageArchitecture(arch),
    ),
  );
  const { digest: manifest } = await putJson(layout, imageManifest(configuration, [layer], {}));
  const image = { manifest, config: configuration.digest, layers: [layer] };
  await layout.tag(name, image);
  return image;
}

/** All libraries that a program loads, by the paths that it looks for them at. */
async function libraries(program: string, signal: AbortSignal): Promise<readonly string[]> {
  let listed: string;
  try {
    ({ stdout: listed } = await run('ldd', [program], { signal, env: { LC_ALL: 'C' } }));
  } catch (error) {
    signal.throwIfAborted();
    throw new BaseImageError(`ldd ${program}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const lacking = /^\s*(\S+) => not found$/m.exec(listed)?.[1];
  if (lacking !== undefined) throw new BaseImageError(`${program} needs ${lacking}, which is not there`);
  return [...new Set([...listed.matchAll(/(?:^\s*|=> )(\/\S+) \(0x/gm)].map(([, path = '']) => path))].toSorted();
}

async function contentKey(from: ReadonlyMap<string, string>, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(FILES));
  for (const [path, source] of from) {
    const content = createHash('sha256');
    await pipeline(createReadStream(source, { highWaterMark: 1024 * 1024, signal }), content);
    hash.update(`${path}\0${content.digest('hex')}\n`);
  }
  return hash.digest('hex').slice(0, 32);
}

/** Entries in the order of their paths, each behind the folders that it lies in; and a place for temporary files. */
function withFolders(entries: readonly LayerEntry[]): readonly LayerEntry[] {
  const folders = new Set<string>();
  for (const { path } of entries) {
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) folders.add(path.slice(0, at));
  }
  const all: LayerEntry[] = [
    ...[...folders].map((path): LayerEntry => ({ kind: 'folder', path, mode: 0o755 })),
    { kind: 'folder', path: 'tmp', mode: 0o1777 },
    ...entries,
  ];
  return all.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}
