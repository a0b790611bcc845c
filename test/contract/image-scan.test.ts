import { execFile, spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assembleImage } from '../../src/build/image/assemble.ts';
import { dockerArchive } from '../../src/build/image/docker-archive.ts';
import { ImageLayout } from '../../src/build/image/layout.ts';
import { makeMachineBase } from '../../src/build/image/machine-base.ts';
import { ContentReader } from '../../src/build/image-scan/content.ts';
import type { LayerContents } from '../../src/build/image-scan/layer.ts';
import { DEFAULT_LIMITS, type ScanLimits, Spent } from '../../src/build/image-scan/limits.ts';
import { DEFAULT_POLICY, type ImageReport, type ImageScan, scanImage } from '../../src/build/image-scan/scan-image.ts';
import { walkTree } from '../../src/build/tree.ts';
import type { NamedReference } from '../../src/core/policy/image/inspection.ts';
import { checkLearning } from '../../src/core/policy/image/learning.ts';
import type { StoredImage } from '../../src/core/image/image.ts';
import type { Digest } from '../../src/core/units/quantities.ts';
import { ImageUnreadableError } from '../../src/errors.ts';
import { DockerRig } from './docker-rig.ts';
import { type Layer, tarOf, writeImage, zipOf } from './scanned-image.ts';

const signal = new AbortController().signal;
const NOW = Date.parse('2027-03-01T12:00:00Z');
const BASE = `sha256:${'b'.repeat(64)}`;
const repository = join(import.meta.dirname, '..', '..');

// Put together here, so that this file holds none.
const WORDS = ['PRIVATE', 'KEY'].join(' ');
const PRIVATE_KEY = `-----BEGIN RSA ${WORDS}-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDKx1Zr8b4\n`;
const NPM_TOKEN = ['npm', 'q8Zr2LmX7vTn4KpW9sYdB3fG6hJ1cV5xA0eR'].join('_');

const NESTED_KERAS = gzipSync(await tarOf({ 'b.zip': zipOf({ 'x/site-packages/Keras/__init__.py': '' }) }));

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'image-scan-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const GOOD = {
  config: {
    User: '10001:10001',
    WorkingDir: '/app',
    Env: ['PATH=/usr/local/bin'],
    Cmd: ['node', 'main.js'],
    Labels: {
      'org.opencontainers.image.source': 'https://git.example/veza',
      'org.opencontainers.image.revision': '0123456789abcdef0123456789abcdef01234567',
      'org.opencontainers.image.title': 'api',
      'org.opencontainers.image.base.name': 'registry.example/node:24',
      'org.opencontainers.image.base.digest': BASE,
    },
  },
};
const APP: Layer = { app: { folder: true, mode: 0o555 }, 'app/main.js': "console.log('hello');\n" };

let made = 0;
async function scan(
  layers: readonly Layer[],
  more: {
    readonly config?: object;
    readonly references?: readonly NamedReference[];
    readonly limits?: ScanLimits;
    readonly history?: object[];
  } = {},
): Promise<ImageReport> {
  made += 1;
  const root = join(folder, `image-${made}`);
  const manifest = await writeImage(root, layers, {
    config: { ...GOOD.config, ...more.config },
    ...(more.history === undefined ? {} : { history: more.history }),
  });
  return scanImage(
    {
      ...REQUEST,
      source: { kind: 'layout', root, manifest },
      references: more.references ?? [],
      limits: more.limits ?? DEFAULT_LIMITS,
    },
    signal,
  );
}

const REQUEST: Omit<ImageScan, 'source'> = {
  service: 'api',
  references: [],
  sbom: null,
  policy: DEFAULT_POLICY,
  osv: { folder: null, api: null, timeLimitMs: 1000 },
  now: NOW,
};

const refusals = (report: ImageReport): readonly string[] =>
  report.findings
    .filter(({ severity }) => severity === 'refuse')
    .map(({ rule, where, found }) => `${rule}: ${where}: ${found}`);

describe('an image as it should be', () => {
  it('passes, and says that vulnerabilities were not checked', async () => {
    const report = await scan([APP]);
    expect(report).toMatchObject({
      passes: true,
      layers: 1,
      vulnerabilities: 'not checked: no OSV data is configured',
    });
    expect(report.findings.map(({ rule }) => rule)).toEqual(['not-checked']);
  });
});

describe('a bad image is refused with the reason', () => {
  it.each<[string, readonly Layer[], Parameters<typeof scan>[1], RegExp]>([
    [
      'a key in a layer, which a later layer deletes',
      [{ 'app/deploy.key': PRIVATE_KEY }, { 'app/.wh.deploy.key': '' }],
      {},
      /^secret: \/app\/deploy\.key, line 1 \(layer 1\): a private key \(RSA\); layer 2 hides it, but the layer has it$/,
    ],
    [
      'a key in a folder, which a later layer makes opaque',
      [{ 'app/keys/deploy.key': PRIVATE_KEY }, { 'app/keys/.wh..wh..opq': '' }],
      {},
      /^secret: .*hides it, but the layer has it$/,
    ],
    [
      'a token in .npmrc',
      [{ ...APP, 'app/.npmrc': `//registry.npmjs.org/:_authToken=${NPM_TOKEN}\n` }],
      {},
      /^secret: \/app\/\.npmrc, line 1/,
    ],
    [
      'a secret in .env',
      [{ ...APP, 'app/.env': 'JWT_SECRET=hunter2hunter2\n' }],
      {},
      /^secret: \/app\/\.env, line 1 .*a value of JWT_SECRET, 14 characters$/,
    ],
    [
      'a secret in the environment',
      [APP],
      { config: { Env: ['JWT_SECRET=hunter2hunter2'] } },
      /^secret: Env JWT_SECRET: a value of JWT_SECRET/,
    ],
    [
      'a secret in the history',
      [APP],
      { history: [{ created_by: `|1 NPM_TOKEN=${NPM_TOKEN} /bin/sh -c npm ci` }] },
      /^secret: history, step 1/,
    ],
    [
      'a secret in a label',
      [APP],
      { config: { Labels: { ...GOOD.config.Labels, note: NPM_TOKEN } } },
      /^secret: label note: a token of npm$/,
    ],
    [
      'PyTorch in site-packages',
      [
        {
          'usr/lib/python3.12/site-packages/torch/__init__.py': '',
          'usr/lib/python3.12/site-packages/torch-2.6.0.dist-info/METADATA': 'Name: torch\nVersion: 2.6.0\n',
        },
      ],
      {},
      /^machine-learning: .*PyTorch/,
    ],
    ['no user', [APP], { config: { User: '' } }, /^root-user: User: no user, which is root$/],
    ['root', [APP], { config: { User: 'root' } }, /^root-user: /],
    ['a user by name', [APP], { config: { User: 'node' } }, /^root-user: User: the user `node`, which is not a number/],
    [
      'a base by a floating tag',
      [APP],
      { references: [{ what: 'base', name: 'docker.io/library/node:24', digest: null }] },
      /^floating-reference: base: `docker\.io\/library\/node:24`: a tag can be moved$/,
    ],
    [
      'a base named latest in its labels',
      [APP],
      { config: { Labels: { ...GOOD.config.Labels, 'org.opencontainers.image.base.name': 'node:latest' } } },
      /^floating-reference: /,
    ],
    [
      'a program with setuid',
      [{ ...APP, 'app/tool': { mode: 0o4755, content: 'x' } }],
      {},
      /^setuid: \/app\/tool \(layer 1\): setuid \(mode 04755\)$/,
    ],
    [
      'a folder that everybody may change',
      [{ ...APP, srv: { folder: true, mode: 0o777 } }],
      {},
      /^world-writable: \/srv/,
    ],
    [
      'code that the service may change',
      [{ app: { folder: true, mode: 0o755, uid: 10_001 } }],
      {},
      /^changeable-code: \/app \(layer 1\): belongs to uid 10001/,
    ],
    [
      'a package under a denied licence',
      [{ ...APP, 'app/node_modules/x/package.json': '{"name":"x","version":"1.0.0","license":"AGPL-3.0-only"}' }],
      {},
      /^licence: \/app\/node_modules\/x\/package\.json: x 1\.0\.0 \(npm\): AGPL-3\.0-only$/,
    ],
    [
      'an archive that cannot be looked into',
      [{ ...APP, 'app/x.xz': Buffer.from('fd377a585a000000', 'hex') }],
      {},
      /^unread: \/app\/x\.xz \(layer 1\): packed with xz/,
    ],
  ])('%s', async (_, layers, more, expected) => {
    const report = await scan(layers, more);
    expect(report.passes).toBe(false);
    expect(refusals(report)).toEqual(expect.arrayContaining([expect.stringMatching(expected)]));
    expect(JSON.stringify(report)).not.toMatch(/hunter2|MIIEvQ|q8Zr2Lm/);
  });

  it('names the digest to use instead of a tag when it is known', async () => {
    const report = await scan([APP], {
      references: [{ what: 'base', name: 'docker.io/library/node:latest', digest: BASE }],
    });
    expect(report.findings[0]).toMatchObject({
      rule: 'floating-reference',
      next: `Write \`docker.io/library/node@${BASE}\`.`,
    });
  });
});

describe('machine learning is found although', () => {
  it.each<[string, readonly Layer[]]>([
    [
      'the wheel has another name',
      [{ 'opt/data.bin': zipOf({ 'torch/__init__.py': '', 'torch-2.6.0.dist-info/METADATA': 'Name: torch' }) }],
    ],
    ['it is in an archive in an archive', [{ 'opt/a.tgz': NESTED_KERAS }]],
    [
      'a program unpacks it from behind itself',
      [
        {
          'opt/run': Buffer.concat([
            Buffer.from('#!/bin/sh\nexec unzip $0\n\0'),
            zipOf({ 'onnxruntime/__init__.py': '' }),
          ]),
        },
      ],
    ],
    ['its name is in capitals', [{ 'opt/site-packages/TORCH/version.py': '' }]],
    ['only a link leads to it', [{ 'opt/lib/x': { link: '/mnt/site-packages/torch' } }]],
    ['its folder has another name', [{ 'opt/innocent/nn/modules/transformer.py': '' }]],
    ['a later layer deletes it', [{ 'opt/site-packages/jax/__init__.py': '' }, { 'opt/site-packages/.wh.jax': '' }]],
    ['it comes in two layers', [{ 'opt/torch-2.6.0.dist-info/RECORD': '' }, { 'opt/site-packages/x.py': '' }]],
    ['it was compiled into a program', [{ 'app/server': Buffer.from('\u007fELF\u0002\0\0OrtGetApiBase\0', 'latin1') }]],
    ['it was bundled', [{ 'app/main.js': '// node_modules/@tensorflow/tfjs-core/dist/engine.js\nvar a;\n' }]],
    [
      'a module of Go names it',
      [{ 'app/server': Buffer.from('\u007fELF\u0002\0\0dep\tgorgonia.org/gorgonia\tv0.9.18\th1:x\n', 'latin1') }],
    ],
    [
      'a crate of Rust is only seen in its panics',
      [
        {
          'app/server': Buffer.from(
            '\u007fELF\u0002\0/root/.cargo/registry/src/index.crates.io-1/candle-core-0.8.0/src/lib.rs',
            'latin1',
          ),
        },
      ],
    ],
    [
      'the package is installed by the distribution',
      [{ 'var/lib/dpkg/status': 'Package: python3-torch\nStatus: install ok installed\nVersion: 2.0-1\n' }],
    ],
    ['the model has no telling name', [{ 'app/weights.dat': Buffer.concat([Buffer.from('GGUF'), Buffer.alloc(100)]) }]],
    ['the model is split', [{ 'app/model.onnx.part1': 'x', 'app/model.onnx.part2': 'y' }]],
    ['the model is packed', [{ 'app/weights.gz': gzipSync(Buffer.concat([Buffer.from('GGUF'), Buffer.alloc(100)])) }]],
  ])('%s', async (_, layers) => {
    expect(refusals(await scan(layers))).toEqual(
      expect.arrayContaining([expect.stringMatching(/^machine-learning: /)]),
    );
  });

  // Said in docs/image-checks.md: who wants to hide something from whoever reads it, can.
  it.each<[string, readonly Layer[]]>([
    ['is turned into text', [{ 'app/a.txt': zipOf({ 'torch/__init__.py': '' }).toString('base64') }]],
    ['is scrambled', [{ 'app/a.bin': Buffer.from(zipOf({ 'torch/__init__.py': '' }).map((byte) => byte ^ 0x55)) }]],
    [
      'is fetched when the service starts',
      [{ 'app/main.js': "await import('https://cdn.example/' + ['tor', 'ch'].join(''));" }],
    ],
  ])('it is not found when it %s', async (_, layers) => {
    expect(refusals(await scan(layers)).filter((one) => one.startsWith('machine-learning'))).toEqual([]);
  });
});

describe('an image that cannot be read as a whole has no verdict', () => {
  const broken = async (
    layers: readonly Layer[],
    change: (root: string, manifest: Digest) => Promise<void>,
  ): Promise<Promise<ImageReport>> => {
    made += 1;
    const root = join(folder, `image-${made}`);
    const manifest = await writeImage(root, layers, GOOD);
    await change(root, manifest);
    return scanImage({ ...REQUEST, source: { kind: 'layout', root, manifest } }, signal);
  };
  const blobOf = (root: string, digest: string): string =>
    join(root, 'blobs', 'sha256', digest.slice('sha256:'.length));
  const layerOf = async (root: string, manifest: Digest): Promise<string> => {
    const { layers } = JSON.parse(await readFile(blobOf(root, manifest), 'utf8')) as { layers: { digest: string }[] };
    return blobOf(root, layers[0]?.digest ?? '');
  };
  it.each<[string, (root: string, manifest: Digest) => Promise<void>, RegExp]>([
    ['a layer is missing', async (root, manifest) => rm(await layerOf(root, manifest)), /layer 1 of 1: is not there/],
    [
      'a layer was changed',
      async (root, manifest) => writeFile(await layerOf(root, manifest), gzipSync(await tarOf({ x: 'y' }))),
      /its bytes are not those of/,
    ],
    [
      'a layer is no archive',
      async (root, manifest) => writeFile(await layerOf(root, manifest), gzipSync(Buffer.alloc(600, 'x'))),
      /layer 1 of 1/,
    ],
    [
      'its manifest was changed',
      async (root, manifest) => writeFile(blobOf(root, manifest), '{}'),
      /its manifest: its bytes are not those of/,
    ],
  ])('because %s', async (_, change, why) => {
    const reading = broken([APP], change);
    await expect(reading).rejects.toThrow(ImageUnreadableError);
    await expect(reading).rejects.toThrow(why);
  });
  it('because a path leads out of it', async () => {
    await expect(scan([{ '../../etc/cron.d/x': 'y' }])).rejects.toThrow('leads out of the image');
  });
  it('because it unpacks to more than it may: ten thousand times what it weighs', async () => {
    const limits = { ...DEFAULT_LIMITS, mostBytes: 64 * 1024 * 1024, mostNestedBytes: 8 * 1024 * 1024 };
    await expect(scan([{ 'app/zeros': Buffer.alloc(80 * 1024 * 1024) }], { limits })).rejects.toThrow(
      'unpacks to more than',
    );
    const bomb = gzipSync(Buffer.alloc(16 * 1024 * 1024));
    await expect(scan([{ 'app/a.gz': bomb }], { limits })).rejects.toThrow('unpack to more than');
  });
  it('as an archive in archives in archives is said not to be read', async () => {
    const nested = Array.from({ length: 6 }).reduce((inner: Buffer) => gzipSync(inner), Buffer.from('x'));
    expect(refusals(await scan([{ 'app/a.gz': nested }]))).toEqual([
      expect.stringMatching(/^unread: .*an archive in 4 others$/),
    ]);
  });
});

describe("the platform's own images", () => {
  const services = ['identity', 'api', 'chat', 'stream', 'web'];
  const images = new Map<string, StoredImage>();
  let layout: ImageLayout;
  const known = new Map<Digest, LayerContents>();
  const request = (service: string): Omit<ImageScan, 'source'> => ({ ...REQUEST, service, known });

  beforeAll(async () => {
    await promisify(execFile)(process.execPath, [join(repository, 'platform', 'build.mjs'), ...services]);
    layout = await ImageLayout.open(join(folder, 'layout'));
    const base = await makeMachineBase(layout, signal);
    for (const service of services) {
      const image = await assembleImage(
        {
          layout,
          base,
          baseName: null,
          artifact: `sha256:${'a'.repeat(64)}` as Digest,
          artifactDir: join(repository, 'platform', 'dist', service),
          service,
          run: ['node', 'main.js'],
          healthcheck: null,
          annotations: {
            'org.opencontainers.image.revision': 'abc',
            'org.opencontainers.image.source': 'https://git.example/veza',
          },
        },
        signal,
      );
      images.set(service, image);
    }
  }, 120_000);

  it.each(services)(
    '%s passes without a word but on vulnerabilities, out of the layout and as an archive',
    async (service) => {
      const image = images.get(service);
      if (image === undefined) throw new Error(`${service} was not built`);
      const report = await scanImage(
        { ...request(service), source: { kind: 'layout', root: join(folder, 'layout'), manifest: image.manifest } },
        signal,
      );
      expect(report.findings.map(({ rule, where, found }) => `${rule} ${where} ${found}`)).toEqual([
        'not-checked vulnerabilities not checked: no OSV data is configured',
      ]);
      expect(report.passes).toBe(true);
    },
  );

  it('as an archive is the same image with the same verdict, but for what the manifest alone says', async () => {
    const image = images.get('stream');
    if (image === undefined) throw new Error('stream was not built');
    const report = await scanImage(
      {
        ...request('stream'),
        source: { kind: 'archive', content: dockerArchive(layout, image, ['stream:test']), name: 'stream:test' },
      },
      signal,
    );
    expect(report).toMatchObject({ passes: true, config: image.config, image: 'stream:test' });
    expect(report.findings.map(({ rule }) => rule).sort()).toEqual(['labels', 'not-checked']);
  });
});

describe('an image that a Docker Engine has built and saved', () => {
  let rig: DockerRig;
  const never = new AbortController().signal;
  beforeAll(async () => {
    rig = await DockerRig.start();
  }, 90_000);
  afterAll(async () => {
    await rig.end();
  });

  it('is refused for the key that a later step of its Dockerfile removes, for root, and for its floating base', async () => {
    const docker = (...args: string[]): Promise<{ stdout: string }> =>
      promisify(execFile)('docker', ['--host', `unix://${rig.socket}`, ...args]);
    const context = await mkdtemp(join(folder, 'context-'));
    const layout = await ImageLayout.open(join(folder, 'base-layout'));
    const base = await makeMachineBase(layout, never);
    await writeFile(join(context, 'base.tar'), dockerArchive(layout, base, ['machine-base:latest']));
    await docker('load', '--input', join(context, 'base.tar'));
    await rm(join(context, 'base.tar'));
    await writeFile(join(context, 'deploy.key'), PRIVATE_KEY);
    await writeFile(
      join(context, 'Dockerfile'),
      [
        'FROM machine-base:latest',
        'USER root',
        'ARG NPM_TOKEN',
        'COPY deploy.key /app/deploy.key',
        `RUN ["/usr/local/bin/node", "-e", "require('node:fs').rmSync('/app/deploy.key')"]`,
        '',
      ].join('\n'),
    );
    await docker('build', '--network', 'none', '--tag', 'bad:1', '--build-arg', `NPM_TOKEN=${NPM_TOKEN}`, context);
    const saving = spawn('docker', ['--host', `unix://${rig.socket}`, 'save', 'bad:1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const report = await scanImage(
      {
        ...REQUEST,
        source: { kind: 'archive', content: saving.stdout, name: 'bad:1' },
        references: [{ what: 'base', name: 'machine-base:latest', digest: null }],
      },
      never,
    );
    expect(refusals(report)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          /^secret: \/app\/deploy\.key, line 1 \(layer \d\): a private key \(RSA\); layer \d hides it/,
        ),
        expect.stringMatching(/^secret: history, step \d+: /),
        'root-user: User: the user `root`, which is not a number that can be verified',
        'floating-reference: base: `machine-base:latest`, which is `latest`',
      ]),
    );
    expect(JSON.stringify(report)).not.toMatch(/MIIEvQ|q8Zr2Lm/);
  }, 120_000);
});

describe('false alarms', () => {
  it('are fewer than one in a thousand files of node_modules', async () => {
    const root = join(repository, 'node_modules');
    const reader = new ContentReader(DEFAULT_LIMITS, new Spent(), signal);
    // What tools keep there for themselves is no package.
    const files = (await walkTree(root, signal, () => undefined)).filter(
      ({ kind, path }) => kind === 'file' && !path.startsWith('.'),
    );
    let [count, bytes] = [0, 0];
    for (const file of files) {
      if (file.kind !== 'file' || file.size === 0) continue;
      // Compilers and a database, of a hundred megabytes each: half a minute more for nothing but programs.
      if (file.size > 2 * 1024 * 1024) continue;
      count += 1;
      bytes += file.size;
      await reader.read(`app/node_modules/${file.path}`, file.size, createReadStream(join(root, file.path)));
    }
    const { clues, components, unread } = reader.found;
    const learning = checkLearning(
      [],
      clues.map((clue) => ({ ...clue, layer: 0 })),
      components,
    );
    console.info(
      `${count} files, ${Math.round(bytes / 1e6)} MB: ${clues.map(({ path, what }) => `${path}: ${what}`).join('; ')}`,
    );
    expect(count).toBeGreaterThan(3000);
    expect(clues.filter(({ severity }) => severity === 'refuse').length / count).toBeLessThan(1 / 1000);
    expect(learning).toEqual([]);
    expect(unread).toEqual([]);
  }, 120_000);
});
