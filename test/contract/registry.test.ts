import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { arch } from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, hexOf } from '../../src/build/digest.ts';
import { ImageLayout, putJson } from '../../src/build/image/layout.ts';
import { makeMachineBase } from '../../src/build/image/machine-base.ts';
import { keyId, publicKeyPath, signingKey, type SigningKey } from '../../src/build/image/signing.ts';
import { ImageRegistry } from '../../src/build/registry/image-registry.ts';
import { pullImage } from '../../src/build/registry/pull-image.ts';
import { pushRelease } from '../../src/build/registry/push-release.ts';
import { RegistryLine, type RegistryAccess } from '../../src/build/registry/registry-line.ts';
import { verifyImage } from '../../src/build/registry/verify-image.ts';
import { dockerLogin } from '../../src/build/registry/docker-login.ts';
import { parseReference } from '../../src/api/image-reference.ts';
import { imageArchitecture, imageManifest, type StoredImage } from '../../src/core/image/image.ts';
import { parsePinnedReference } from '../../src/core/image/reference.ts';
import type { Digest } from '../../src/core/units/quantities.ts';
import type { Release } from '../../src/core/release/release.ts';
import {
  BaseUnusableError,
  ImageUnverifiedError,
  RegistryRefusedError,
  RegistryUnreachableError,
} from '../../src/errors.ts';
import { ImageShelf } from '../../src/server/local/image-shelf.ts';
import { registryAvailable, RegistryRig, USER } from '../rig/registry.ts';
import { DockerRig } from './docker-rig.ts';

const run = promisify(execFile);
const signal = new AbortController().signal;

let root: string;
let shelf: ImageShelf;
let key: SigningKey;
let release: Release;
let artifactDir: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'registry-test-'));
  const server = 'console.log("ran as", process.getuid());\n';
  const artifact = digestOf(server);
  artifactDir = join(root, 'unpacked', hexOf(artifact));
  await mkdir(artifactDir, { recursive: true });
  await writeFile(join(artifactDir, 'server.js'), server);
  release = {
    id: 'rel_4f1c',
    service: 'api',
    artifact,
    source: digestOf('source'),
    configuration: digestOf('configuration'),
    commit: '0123456789abcdef0123456789abcdef01234567',
    dirty: false,
    builder: 'local',
    builtAt: 1_800_000_000_000,
    config: { development: { run: ['node', 'server.js'] } },
  } as unknown as Release;
  shelf = new ImageShelf({
    directory: join(root, 'images'),
    osvFolder: join(root, 'osv'),
    osvApi: null,
    releaseOf: () => release,
    loginOf: async () => null,
    rules: () => ({ vulnerabilities: { refuseFrom: 'high', refuseUnchecked: false }, exceptions: [] }),
    now: () => 1_800_000_000_000,
  });
  key = await signingKey(root);
});
afterAll(() => rm(root, { recursive: true, force: true }));

const access = (rig: RegistryRig, password: string | null = USER.password): RegistryAccess => ({
  credentials: password === null ? null : { ...USER, password },
  authority: rig.authority,
});

async function push(rig: RegistryRig, repository = 'team/api', as = access(rig)) {
  const { layout, image, base } = await shelf.stored(artifactDir, signal);
  const { components } = await shelf.scan(artifactDir, signal);
  const wanted = { release, image, base: base.manifest, packages: components };
  const to = { registry: rig.name, repository };
  return { image, pushed: await pushRelease(wanted, layout, to, key, as, () => undefined, signal) };
}

describe.skipIf(!registryAvailable)('a registry', () => {
  describe.each([
    ['with TLS and a password', { tls: true, logIn: 'password' }],
    ['with TLS and tokens', { tls: true, logIn: 'token' }],
    ['on this machine, without TLS', { tls: false, logIn: 'none' }],
  ] as const)('%s', (_, settings) => {
    let rig: RegistryRig;
    beforeAll(async () => {
      rig = await RegistryRig.start(settings);
    });
    afterAll(() => rig?.close());

    it('takes an image, its packages and its origin; the same again sends nothing, and is the same', async () => {
      const { image, pushed } = await push(rig);
      expect(pushed).toMatchObject({ sent: 3, known: 0 });
      expect(pushed.bytes).toBeGreaterThan(image.layers.reduce((sum, { bytes }) => sum + bytes, 0));
      const again = await push(rig);
      expect(again.pushed).toEqual({ ...pushed, bytes: 0, sent: 0, known: 3 });
    });

    it('says of its tag whose release it is, to who has the key', async () => {
      const reference = parseReference(`${rig.name}/team/api:${release.id}`);
      const open = createPublicKey(await readFile(publicKeyPath(root), 'utf8'));
      const { image } = await push(rig);
      expect(await verifyImage(reference, open, access(rig), signal)).toEqual({
        reference: `${rig.name}/team/api:${release.id}@${image.manifest}`,
        manifest: image.manifest,
        service: 'api',
        release: release.id,
        commit: release.commit,
        dirty: false,
        builtAt: '2027-01-15T08:00:00.000Z',
      });
    });

    it('has both attachments beside it, however often they are pushed', async () => {
      const { image } = await push(rig);
      await push(rig);
      const line = new RegistryLine(rig.name, 'team/api', access(rig));
      const registry = new ImageRegistry(line, rig.name);
      const [sbom, ...more] = await registry.attachments(image.manifest, 'application/vnd.cyclonedx+json', signal);
      await line.close();
      expect(more).toEqual([]);
      expect(JSON.parse(String(sbom))).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6' });
    });
  });

  describe('that is in the way', () => {
    let rig: RegistryRig;
    beforeAll(async () => {
      rig = await RegistryRig.start({ tls: true, logIn: 'password' });
      await push(rig);
    });
    afterAll(() => rig?.close());

    it.each([
      ['a wrong password', 'wrong horse'],
      ['no login', null],
    ])('refuses %s, and the error says how to log in', async (_, password) => {
      const failure = await push(rig, 'team/api', access(rig, password)).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(RegistryRefusedError);
      expect(failure).toMatchObject({
        message: expect.stringMatching(/^The registry 127\.0\.0\.1:\d+ refused .*: 401/),
        hint: expect.stringContaining('docker login'),
      });
      expect(JSON.stringify(failure) + String(failure)).not.toContain('horse');
    });

    it('is not spoken to when nobody known has signed its certificate', async () => {
      const failure = await push(rig, 'team/api', { ...access(rig), authority: (await other()).authority }).catch(
        (error: unknown) => error,
      );
      expect(failure).toBeInstanceOf(RegistryUnreachableError);
      expect(failure).toMatchObject({
        message: expect.stringMatching(/certificate/),
        hint: expect.stringContaining('--authority'),
      });
    });

    it('is waited for while it starts again', async () => {
      await rig.down();
      const pushing = push(rig, 'team/again');
      await rig.up();
      expect((await pushing).pushed.sent).toBe(3);
    });

    it('is an error that names it when it stays away', async () => {
      await rig.down();
      const failure = await push(rig).catch((error: unknown) => error);
      await rig.up();
      expect(failure).toBeInstanceOf(RegistryUnreachableError);
      expect(String(failure)).toContain(rig.name);
    });

    it('is not believed: an origin that others signed, none at all, and other bytes than asked for', async () => {
      const stranger = createPublicKey(generateKeyPairSync('ed25519').privateKey);
      const open = createPublicKey(key.private);
      const named = parseReference(`${rig.name}/team/api:${release.id}`);
      const check = (reference: typeof named, by: typeof open) =>
        verifyImage(reference, by, access(rig), signal).catch((error: unknown) => error);
      expect(await check(named, stranger)).toMatchObject({ message: expect.stringContaining('no signature for it') });
      expect(await check({ ...named, tag: 'nobody' }, open)).toBeInstanceOf(ImageUnverifiedError);

      const { layout, image } = await shelf.stored(artifactDir, signal);
      const line = new RegistryLine(rig.name, 'team/bare', access(rig));
      await new ImageRegistry(line, rig.name).push(layout, image, ['bare'], () => undefined, signal);
      await line.close();
      expect(await check(parseReference(`${rig.name}/team/bare:bare`), open)).toMatchObject({
        message: expect.stringContaining('nobody has signed'),
      });

      const hex = hexOf(image.manifest);
      const blob = join(rig.folder, 'data/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
      const good = await readFile(blob);
      await writeFile(blob, good.toString().replace(release.id, 'rel_0000'));
      const spoiled = await check({ ...named, tag: null, digest: image.manifest }, open);
      await writeFile(blob, good);
      expect(spoiled).toBeInstanceOf(RegistryRefusedError);
      expect(await check(named, open)).toMatchObject({ release: release.id });
    });
  });

  it('gives a Docker Engine an image that runs, to who has logged in', async () => {
    const rig = await RegistryRig.start({ tls: false, logIn: 'password' });
    const engine = await DockerRig.start();
    try {
      const { image } = await push(rig);
      const env = { ...process.env, DOCKER_HOST: `unix://${engine.socket}`, DOCKER_CONFIG: join(root, 'docker') };
      await mkdir(env.DOCKER_CONFIG);
      const docker = async (...args: readonly string[]) => (await run('docker', [...args], { env })).stdout;
      const reference = `${rig.name}/team/api@${image.manifest}`;
      await expect(docker('pull', '--quiet', reference)).rejects.toThrow(/no basic auth|unauthorized|denied/i);
      await docker('login', rig.name, '--username', USER.username, '--password', USER.password);
      expect(await dockerLogin(rig.name, env, signal)).toEqual(USER);
      expect(await dockerLogin('elsewhere.example', env, signal)).toBeNull();
      await docker('pull', '--quiet', reference);
      expect(await docker('run', '--rm', '--network=none', '--read-only', reference)).toBe('ran as 10001\n');
    } finally {
      await engine.end();
      await rig.close();
    }
  });
});

describe.skipIf(!registryAvailable)('a base out of a registry', () => {
  let rig: RegistryRig;
  let source: ImageLayout;
  let machine: StoredImage;
  beforeAll(async () => {
    rig = await RegistryRig.start({ tls: true, logIn: 'password' });
    source = await ImageLayout.open(join(root, 'source'));
    machine = await makeMachineBase(source, signal);
  });
  afterAll(() => rig?.close());

  /** Puts documents into the registry as they are; returns the digest of the last one. */
  async function put(repository: string, image: StoredImage, documents: readonly unknown[] = []): Promise<Digest> {
    const line = new RegistryLine(rig.name, repository, access(rig));
    await new ImageRegistry(line, rig.name).push(source, image, ['24'], () => undefined, signal);
    let last = image.manifest;
    for (const document of documents) {
      const body = Buffer.from(JSON.stringify(document));
      last = digestOf(body);
      const headers = { 'content-type': 'application/vnd.oci.image.index.v1+json' };
      const path = `manifests/${last}`;
      await (await line.ask({ method: 'PUT', path, headers, body: () => body, expected: [201] }, signal)).bytes();
    }
    await line.close();
    return last;
  }

  /** The machine's base with another configuration. */
  async function changed(change: (configuration: Record<string, unknown>) => unknown): Promise<StoredImage> {
    const configuration = JSON.parse((await source.read(machine.config)).toString()) as Record<string, unknown>;
    const config = await putJson(source, change(configuration));
    const { digest: manifest } = await putJson(source, imageManifest(config, machine.layers, {}));
    return { ...machine, config: config.digest, manifest };
  }

  const pull = async (repository: string, digest: Digest, folder: string) => {
    const layout = await ImageLayout.open(join(root, folder));
    const reference = { registry: rig.name, repository, tag: null, digest };
    return { layout, image: await pullImage(layout, reference, access(rig), signal) };
  };

  it('is the same image here, and is not fetched twice', async () => {
    const digest = await put('base/node', machine);
    const { layout, image } = await pull('base/node', digest, 'pulled');
    expect(image).toEqual(machine);
    await rig.down();
    expect(
      await pullImage(layout, { registry: rig.name, repository: 'base/node', tag: null, digest }, access(rig), signal),
    ).toEqual(machine);
    await rig.up();
  });

  it('is the one for this machine, where there are several', async () => {
    const other = await changed((configuration) => ({ ...configuration, architecture: 's390x' }));
    await put('base/many', other);
    const entry = async ({ manifest }: StoredImage, architecture: string) => ({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: manifest,
      size: (await source.read(manifest)).byteLength,
      platform: { os: 'linux', architecture },
    });
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const ours = imageArchitecture(arch);
    const both = [await entry(other, 's390x'), await entry(machine, ours)];
    const digest = await put('base/many', machine, [{ schemaVersion: 2, mediaType, manifests: both }]);
    expect((await pull('base/many', digest, 'many')).image).toEqual(machine);
    const lone = await put('base/many', machine, [{ schemaVersion: 2, mediaType, manifests: both.slice(0, 1) }]);
    await expect(pull('base/many', lone, 'many')).rejects.toThrow(`there is none for linux/${ours}`);
    await expect(pull('base/many', other.manifest, 'many')).rejects.toThrow(BaseUnusableError);
  });

  it('gives services its environment, and its name to whoever asks later', async () => {
    const based = await changed((configuration) => ({
      ...configuration,
      config: { Env: ['PATH=/usr/local/bin', 'TZ=UTC'], Entrypoint: ['/nowhere'], User: 'root' },
    }));
    const digest = await put('base/env', based);
    const name = `${rig.name}/base/env@${digest}`;
    const read = parsePinnedReference(name);
    if (!read.ok) throw new Error(read.expected);
    // The shelf has no authority of ours to trust: the layout has the base already.
    const { layout } = await shelf.stored(artifactDir, signal);
    await pullImage(layout, read.value, access(rig), signal);
    const { image, base } = await shelf.on(read.value).stored(artifactDir, signal);
    expect(base).toEqual(based);
    const { config } = JSON.parse((await layout.read(image.config)).toString()) as { config: Record<string, unknown> };
    expect(config).toMatchObject({
      Env: ['PATH=/usr/local/bin', 'TZ=UTC'],
      User: '10001:10001',
      Labels: { 'org.opencontainers.image.base.name': name, 'org.opencontainers.image.base.digest': digest },
    });
    expect(config).not.toHaveProperty('Entrypoint');
    expect((await shelf.on(read.value).scan(artifactDir, signal)).passes).toBe(true);
  });

  it('that is not there, and one whose layer was changed on the way, are errors that say so', async () => {
    const digest = await put('base/bad', machine);
    const nowhere = digestOf('nowhere');
    await expect(pull('base/bad', nowhere, 'bad')).rejects.toThrow(/refused GET .*404/);
    const [layer] = machine.layers;
    if (layer === undefined) throw new Error('no layer');
    const hex = hexOf(layer.digest);
    const blob = join(rig.folder, 'data/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
    const good = await readFile(blob);
    const bad = Buffer.from(good);
    bad[1_000] = (bad[1_000] ?? 0) ^ 1;
    await writeFile(blob, bad);
    await expect(pull('base/bad', digest, 'bad')).rejects.toThrow(/gave other bytes/);
    await writeFile(blob, good);
    expect((await pull('base/bad', digest, 'bad')).image).toEqual(machine);
  });
});

describe('the key of a project', () => {
  it('is made once, by whoever is first, and nobody else may read it', async () => {
    const folder = join(root, 'keys');
    const made = await Promise.all(Array.from({ length: 8 }, () => signingKey(folder)));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    expect((await stat(join(folder, 'provenance.key'))).mode & 0o777).toBe(0o600);
    const open = createPublicKey(await readFile(publicKeyPath(folder), 'utf8'));
    expect(keyId(open)).toBe(made[0]?.id);
  });
});

/** Another authority of the same name. */
async function other(): Promise<{ readonly authority: string | null }> {
  const rig = await RegistryRig.start({ tls: true, logIn: 'none' });
  await rig.close();
  return rig;
}
