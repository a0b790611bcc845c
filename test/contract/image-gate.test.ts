import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, hexOf } from '../../src/build/digest.ts';
import type { ImageException } from '../../src/core/policy/image/exceptions.ts';
import type { Release } from '../../src/core/release/release.ts';
import type { Digest } from '../../src/core/units/quantities.ts';
import { ImageRefusedError } from '../../src/errors.ts';
import { ImageShelf } from '../../src/server/local/image-shelf.ts';

const signal = new AbortController().signal;
// Put together here, so that this file holds none.
const PRIVATE_KEY = `-----BEGIN RSA ${['PRIVATE', 'KEY'].join(' ')}-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDKx1Zr8b4\n`;

let root: string;
let shelf: ImageShelf;
let exceptions: readonly ImageException[] = [];
let refuseUnchecked = false;
const releases = new Map<Digest, Release>();

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'image-gate-'));
  shelf = shelfAt('images');
});
afterAll(() => rm(root, { recursive: true, force: true }));

const shelfAt = (folder: string): ImageShelf =>
  new ImageShelf({
    directory: join(root, folder),
    osvFolder: join(root, 'osv'),
    osvApi: null,
    loginOf: async () => null,
    rules: () => ({ vulnerabilities: { refuseFrom: 'high', refuseUnchecked }, exceptions }),
    releaseOf: (artifact) => releases.get(artifact) ?? null,
    now: () => 1_800_000_000_000,
  });

/** An unpacked artifact of `api`, where the store would have it. */
async function artifact(files: Readonly<Record<string, string>>): Promise<string> {
  const digest = digestOf(JSON.stringify(files));
  const folder = join(root, 'unpacked', hexOf(digest));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  const config = { development: { run: ['node', 'server.js'] } };
  releases.set(digest, {
    id: 'rel_1',
    service: 'api',
    artifact: digest,
    commit: '0123abcd',
    config,
  } as unknown as Release);
  return folder;
}

const SERVER = { 'server.js': 'require("node:http").createServer().listen(process.env.PORT);\n' };

describe('the gate before a release runs in containers', () => {
  it('lets a plain service pass, and says that nobody looked up vulnerabilities', async () => {
    const folder = await artifact(SERVER);
    await shelf.check(folder, signal);
    const report = await shelf.scan(folder, signal);
    expect(report).toMatchObject({
      passes: true,
      service: 'api',
      vulnerabilities: expect.stringMatching(/^not checked/),
    });
    expect(report.findings.map(({ rule }) => rule)).toEqual(['not-checked']);
  });

  it('lets pass what somebody has excused in the declaration, as long as that holds', async () => {
    const folder = await artifact({ ...SERVER, 'lib/python3.11/site-packages/torch/__init__.py': '' });
    const excuse = { rule: 'machine-learning', service: null, reason: 'an empty folder of a test', by: 'ann' } as const;
    const found = (await shelf.scan(folder, signal)).findings.filter(({ rule }) => rule === 'machine-learning');
    const until = (day: string): readonly ImageException[] =>
      found.map(({ where }) => ({ ...excuse, where, until: day }));
    exceptions = until('2027-02-01');
    try {
      const report = await shelf.check(folder, signal);
      expect(report.excused.map(({ exception }) => exception.by)).toEqual(found.map(() => 'ann'));
      expect(found).not.toEqual([]);
      exceptions = until('2026-12-31');
      await expect(shelf.check(folder, signal)).rejects.toThrow(ImageRefusedError);
    } finally {
      exceptions = [];
    }
  });

  it('refuses what nobody could look up, where the declaration says so', async () => {
    const folder = await artifact(SERVER);
    refuseUnchecked = true;
    try {
      await expect(shelf.check(folder, signal)).rejects.toThrow(/not-checked/);
    } finally {
      refuseUnchecked = false;
    }
  });

  it.each([
    ['a secret in it', { 'config/tls.key': PRIVATE_KEY }, /^The image of api is refused: secret: .*config\/tls\.key/],
    [
      'a framework of machine learning',
      { 'lib/python3.11/site-packages/torch/__init__.py': '' },
      /^The image of api is refused: machine-learning: .*torch/,
    ],
  ])('refuses %s, with the reason and what to do', async (_, files, message) => {
    const refused = await shelf.check(await artifact({ ...SERVER, ...files }), signal).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ImageRefusedError);
    expect(refused).toMatchObject({ message: expect.stringMatching(message), exitStatus: 4 });
    expect((refused as ImageRefusedError).hint).toContain('veza image scan api');
    expect(String(refused)).not.toContain('MIIE');
  });

  it('finds a package that is known to be vulnerable once somebody knows', async () => {
    const folder = await artifact({
      ...SERVER,
      'node_modules/leftish/package.json': JSON.stringify({ name: 'leftish', version: '1.0.0', license: 'MIT' }),
    });
    await shelf.check(folder, signal);
    expect((await shelf.scan(folder, signal)).components).toMatchObject([
      { ecosystem: 'npm', name: 'leftish', version: '1.0.0', licence: 'MIT' },
    ]);
    await mkdir(join(root, 'osv'));
    try {
      await writeFile(
        join(root, 'osv', 'GHSA-1.json'),
        JSON.stringify({
          id: 'GHSA-1',
          modified: '2026-01-01T00:00:00Z',
          database_specific: { severity: 'CRITICAL' },
          affected: [
            {
              package: { ecosystem: 'npm', name: 'leftish' },
              ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '1.0.1' }] }],
            },
          ],
        }),
      );
      await expect(shelf.check(folder, signal)).rejects.toThrow(/vulnerability: .*leftish/);
    } finally {
      await rm(join(root, 'osv'), { recursive: true });
    }
  });
});

describe('images of the same artifact', () => {
  it('are the same to the byte, whoever makes them, wherever', async () => {
    const folder = await artifact({ ...SERVER, 'public/deep/er/page.html': '<p>here</p>' });
    const elsewhere = join(root, 'elsewhere', 'unpacked', folder.split('/').at(-1) ?? '');
    await cp(folder, elsewhere, { recursive: true });
    const one = await shelf.scan(folder, signal);
    const other = await shelfAt('others').scan(elsewhere, signal);
    expect(other.manifest).toBe(one.manifest);
    expect(other.config).toBe(one.config);
    const blob = (layout: string): Promise<Buffer> =>
      readFile(join(root, layout, 'blobs', 'sha256', hexOf(one.manifest ?? one.config)));
    expect(await blob('others')).toEqual(await blob('images'));
  });
});
