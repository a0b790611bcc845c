import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { plane, project, up, veza } from '../../../test/fixtures/command-line.ts';
import { ExitStatus } from '../../errors.ts';

beforeEach(() => up());

const sent = (): unknown => plane.calls.find(([method]) => method === 'pushImages')?.[1];

describe('veza image push', () => {
  it('leaves it to the control plane who one is, and says what was sent', async () => {
    plane.pushed = [
      {
        service: 'web',
        release: 'rel_1',
        reference: 'registry.example/veza/web:rel_1@sha256:00',
        bytes: 40_000_000,
        sent: 3,
        known: 1,
        sbom: 'sha256:01',
        provenance: 'sha256:02',
        key: '03',
      },
    ];
    const { status, out, err } = await veza(['image', 'push', 'registry.example/veza/']);
    expect(status).toBe(ExitStatus.ok);
    expect(err).toContain('web  layer 1 of 2, 40.0 MB');
    expect(out).toContain('web  rel_1  40.0 MB in 3 sent, 1 there already');
    expect(sent()).toMatchObject({
      to: 'registry.example/veza',
      credentials: null,
      authority: null,
    });
  });

  it('takes another login from standard input, and an authority from a file', async () => {
    await writeFile(join(project, 'authority.pem'), 'PEM');
    const authority = join(project, 'authority.pem');
    await veza(['image', 'push', 'registry.example/veza', '--username', 'me', '--authority', authority], {
      input: 'secret\n',
    });
    expect(sent()).toMatchObject({ credentials: { username: 'me', password: 'secret' }, authority: 'PEM' });
  });

  it.each([
    ['a name without a registry', ['veza'], ExitStatus.usage, /does not begin with the host of a registry/],
    ['a tag', ['registry.example/veza:1'], ExitStatus.usage, /is no tag/],
    ['an authority that is not there', ['registry.example/veza', '--authority', 'no.pem'], ExitStatus.usage, /no\.pem/],
  ])('refuses %s, and asks nobody', async (_, args, expected, message) => {
    const { status, err } = await veza(['image', 'push', ...args]);
    expect(status).toBe(expected);
    expect(err).toMatch(message);
    expect(sent()).toBeUndefined();
  });
});

describe('veza image verify', () => {
  it('tells whose release an image is', async () => {
    await writeFile(join(project, 'them.pub'), 'PEM');
    const key = join(project, 'them.pub');
    const { status, out } = await veza(['image', 'verify', 'registry.example/veza/web:rel_1', '--key', key]);
    expect(status).toBe(ExitStatus.ok);
    expect(out).toContain('web  rel_1, built 2027-01-15T08:00:00.000Z of commit a1b2c3d4');
    expect(plane.calls.at(-1)).toEqual([
      'verifyImage',
      { image: 'registry.example/veza/web:rel_1', key: 'PEM', credentials: null, authority: null },
    ]);
  });
});

describe('veza image base', () => {
  it('prints what to declare, and nothing else', async () => {
    const { status, out } = await veza(['image', 'base', 'registry.example/node:24']);
    expect(status).toBe(ExitStatus.ok);
    expect(out).toBe(`registry.example/node@sha256:${'0a'.repeat(32)}\n`);
  });
});
