import { createHash } from 'node:crypto';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArchiveEntryError } from '../errors.ts';
import { packFolder } from './archive.ts';
import { compareWithArchive, extractArchive, removeTree } from './unpacked-tree.ts';

const never = new AbortController().signal;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'archive-test-'));
});
afterEach(() => removeTree(folder));

type Plan = Readonly<Record<string, { readonly content: Buffer; readonly executable: boolean }>>;

const writePlan = async (root: string, plan: Plan, order: readonly string[]): Promise<void> => {
  await mkdir(root, { recursive: true });
  for (const path of order) {
    const file = plan[path];
    if (file === undefined) throw new Error(`not in the plan: ${path}`);
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), file.content);
    await chmod(join(root, path), file.executable ? 0o700 : 0o600);
  }
};

const packToFile = async (root: string, file: string) => {
  const chunks: Buffer[] = [];
  const packed = await packFolder(root, async (chunk) => void chunks.push(chunk), never);
  await writeFile(file, Buffer.concat(chunks));
  return packed;
};

const part = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .map((text) => text.replaceAll(/[/\0]/g, '_'))
  .filter((text) => text.isWellFormed() && text !== '.' && text !== '..' && Buffer.byteLength(text) <= 60);
const file = fc.record({
  content: fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
  executable: fc.boolean(),
});
// Two levels, the upper ones with a trailing mark, so that no path is both a file and a folder.
const path = fc.oneof(
  part,
  fc.tuple(part, part).map(([a, b]) => `${a}~d/${b}`),
  fc.tuple(part, part, part).map(([a, b, c]) => `${a}~d/${b}~d/${c}`),
);
const plans = fc
  .dictionary(path, file, { maxKeys: 8, noNullPrototype: true })
  .filter((plan) => Object.keys(plan).every((key) => !key.includes('__proto__')));

describe('an archive', () => {
  it('has the same bytes whatever the order, the times and the permissions its files were written with', async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.infiniteStream(fc.nat()), async (plan, random) => {
        const one = await mkdtemp(join(folder, 'one-'));
        const two = await mkdtemp(join(folder, 'a quite different place '));
        const paths = Object.keys(plan);
        const shuffled = paths
          .map((key) => ({ key, at: random.next().value ?? 0 }))
          .sort((a, b) => a.at - b.at)
          .map(({ key }) => key);
        await writePlan(one, plan, paths);
        await writePlan(two, plan, shuffled);
        for (const key of paths) {
          await chmod(join(two, key), plan[key]?.executable === true ? 0o777 : 0o644);
          await utimes(join(two, key), 1_000_000_000, 1_000_000_000);
        }

        const first = await packToFile(one, join(folder, 'one.tar'));
        const second = await packToFile(two, join(folder, 'two.tar'));

        expect(second).toEqual(first);
        const bytes = await readFile(join(folder, 'one.tar'));
        expect(first.digest).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
        expect(first.bytes).toBe(bytes.byteLength);
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  it('gives back what was packed, read-only, and equal to its archive', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        const from = await mkdtemp(join(folder, 'from-'));
        const into = await mkdtemp(join(folder, 'into-'));
        await writePlan(from, plan, Object.keys(plan));
        const packed = await packToFile(from, join(folder, 'a.tar'));

        const digest = await extractArchive(join(folder, 'a.tar'), into, never);

        expect(digest).toBe(packed.digest);
        for (const [key, { content, executable }] of Object.entries(plan)) {
          expect(content.equals(await readFile(join(into, key)))).toBe(true);
          expect((await lstat(join(into, key))).mode & 0o777).toBe(executable ? 0o555 : 0o444);
        }
        expect((await lstat(into)).mode & 0o777).toBe(0o555);
        expect(await compareWithArchive(join(folder, 'a.tar'), into, never)).toEqual({
          digest,
          changed: null,
          extra: null,
        });
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  it('keeps the digest it has had since the format was decided', async () => {
    // Given a folder with one of everything
    const root = join(folder, 'golden');
    const plan: Plan = {
      'bin/start': { content: Buffer.from('#!/bin/sh\n'), executable: true },
      'a b/grüße 世界.txt': { content: Buffer.from('hello\n'), executable: false },
      [`${'long/'.repeat(30)}name`]: { content: Buffer.from('deep'), executable: false },
      empty: { content: Buffer.alloc(0), executable: false },
    };
    await writePlan(root, plan, Object.keys(plan));
    await mkdir(join(root, 'empty folder'));
    await symlink('../bin/start', join(root, 'a b', 'link'));
    // When it is packed
    const packed = await packToFile(root, join(folder, 'golden.tar'));
    // Then releases that were built long ago would still be found by the same digest
    expect(packed.digest).toBe('sha256:a694debfb14a3e0c305ccb187237aad01dee9654949fd5df905cc9ca5edbb700');
    // and a tar of the system reads it, with the times and owners that were promised
    const listed = spawnSync(
      'tar',
      ['--list', '--verbose', '--numeric-owner', '--utc', '--file', join(folder, 'golden.tar')],
      {
        encoding: 'utf8',
        env: { ...process.env, LC_ALL: 'C.UTF-8' },
      },
    );
    expect(listed.stderr).toBe('');
    expect(listed.stdout).toContain('-rwxr-xr-x 0/0              10 1970-01-01 00:00 bin/start');
    expect(listed.stdout).toContain('-rw-r--r-- 0/0               6 1970-01-01 00:00 a b/');
    expect(listed.stdout).toContain('a b/link -> ../bin/start');
  });

  it('streams files that are larger than what is read at once', async () => {
    const root = join(folder, 'large');
    const content = Buffer.alloc(5 * 1024 * 1024 + 17, 'large file ');
    await writePlan(root, { 'large.bin': { content, executable: false } }, ['large.bin']);
    const packed = await packToFile(root, join(folder, 'large.tar'));
    await mkdir(join(folder, 'into'));

    await extractArchive(join(folder, 'large.tar'), join(folder, 'into'), never);

    expect(content.equals(await readFile(join(folder, 'into', 'large.bin')))).toBe(true);
    expect((await compareWithArchive(join(folder, 'large.tar'), join(folder, 'into'), never)).changed).toBeNull();
    expect(packed.bytes).toBeGreaterThan(content.byteLength);
    // and a byte in the middle of it is found
    await chmod(join(folder, 'into', 'large.bin'), 0o644);
    const changed = Buffer.from(content);
    changed[3_000_000] = 0;
    await writeFile(join(folder, 'into', 'large.bin'), changed);
    expect((await compareWithArchive(join(folder, 'large.tar'), join(folder, 'into'), never)).changed).toEqual({
      path: 'large.bin',
      found: 'has other content',
    });
  });

  it('keeps links that stay inside and refuses those that do not', async () => {
    const root = join(folder, 'links');
    await mkdir(join(root, 'd'), { recursive: true });
    await writeFile(join(root, 'file'), 'x');
    await symlink('../file', join(root, 'd', 'inside'));
    await symlink('nowhere', join(root, 'dangling'));
    await packToFile(root, join(folder, 'links.tar'));
    await mkdir(join(folder, 'into'));
    await extractArchive(join(folder, 'links.tar'), join(folder, 'into'), never);
    expect(await readlink(join(folder, 'into', 'd', 'inside'))).toBe('../file');

    for (const target of ['/etc/passwd', '../outside', 'd/../../outside', 'd/up/../../../x', 'escape']) {
      await symlink(target, join(root, 'escape'));
      await expect(packToFile(root, join(folder, 'no.tar')), target).rejects.toThrow(ArchiveEntryError);
      await rm(join(root, 'escape'));
    }
    // A link that looks inside, and leaves by way of another link
    await symlink('..', join(root, 'd', 'up'));
    await symlink('d/up/../outside', join(root, 'escape'));
    await expect(packToFile(root, join(folder, 'no.tar'))).rejects.toThrow(/escape` is a symbolic link to d\/up/);
  });

  it('refuses pipes and names that are not UTF-8, naming them', async () => {
    await mkdir(join(folder, 'odd'));
    spawnSync('mkfifo', [join(folder, 'odd', 'pipe')]);
    await expect(packToFile(join(folder, 'odd'), join(folder, 'no.tar'))).rejects.toThrow(
      /`pipe` is a socket, pipe or device/,
    );
    await rm(join(folder, 'odd', 'pipe'));
    await writeFile(Buffer.concat([Buffer.from(`${join(folder, 'odd')}/`), Buffer.from([0x61, 0xff])]), '');
    await expect(packToFile(join(folder, 'odd'), join(folder, 'no.tar'))).rejects.toThrow(/not UTF-8/);
  });

  it('passes on a failure of whoever takes the bytes', async () => {
    await writePlan(join(folder, 'x'), { a: { content: Buffer.alloc(3_000_000), executable: false } }, ['a']);
    const full = async (): Promise<void> => {
      throw new Error('no room');
    };
    await expect(packFolder(join(folder, 'x'), full, never)).rejects.toThrow('no room');
  });
});

describe('an archive that somebody else made', () => {
  const malicious: Readonly<Record<string, (tar: ReturnType<typeof pack>) => void>> = {
    'a path with ..': (tar) => tar.entry({ name: '../evil' }, 'x'),
    'a path with .. in the middle': (tar) => tar.entry({ name: 'a/../../evil' }, 'x'),
    'an absolute path': (tar) => tar.entry({ name: '/tmp/evil' }, 'x'),
    'a link out': (tar) => tar.entry({ name: 'link', type: 'symlink', linkname: '../..' }),
    'a file written through a link': (tar) => {
      tar.entry({ name: 'link', type: 'symlink', linkname: '/tmp' });
      tar.entry({ name: 'link/evil' }, 'x');
    },
    'a hard link': (tar) => tar.entry({ name: 'hard', type: 'link', linkname: '/etc/passwd' }),
    'a device': (tar) => tar.entry({ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }),
    'the same path twice': (tar) => {
      tar.entry({ name: 'a' }, 'one');
      tar.entry({ name: 'a' }, 'two');
    },
    'a link without a target': (tar) => tar.entry({ name: 'link', type: 'symlink' }).end(''),
  };

  it.each(Object.entries(malicious))('is refused for %s, and nothing lands outside', async (_, make) => {
    const tar = pack();
    make(tar);
    tar.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of tar as AsyncIterable<Buffer>) chunks.push(chunk);
    await writeFile(join(folder, 'evil.tar'), Buffer.concat(chunks));
    await mkdir(join(folder, 'deep', 'into'), { recursive: true });

    await expect(extractArchive(join(folder, 'evil.tar'), join(folder, 'deep', 'into'), never)).rejects.toThrow(
      ArchiveEntryError,
    );

    expect((await readdir(folder)).toSorted()).toEqual(['deep', 'evil.tar']);
    expect(await readdir(join(folder, 'deep'))).toEqual(['into']);
    expect((await readdir(join(folder, 'deep', 'into'))).filter((name) => name !== 'a')).toEqual([]);
  });
});

describe('another machine', () => {
  it('makes the same archive under another umask, time zone, locale, user name and path', async () => {
    const program = `
      process.umask(Number(process.argv[1]));
      const { mkdirSync, writeFileSync, chmodSync } = await import('node:fs');
      const root = process.argv[2];
      for (const dir of ['', '/ä', '/Z', '/a']) mkdirSync(root + dir);
      for (const name of process.argv[3].split(',')) writeFileSync(root + name, 'content of ' + name);
      writeFileSync(root + '/run', '#!/bin/sh', { mode: 0o777 });
      const { packFolder } = await import(process.argv[4]);
      const { digest } = await packFolder(root, async () => {}, new AbortController().signal);
      process.stdout.write(digest);`;
    const machines = [
      { umask: 0o022, names: '/ä/ö,/Z/1,/a/2,/a-b,/a.b', env: { TZ: 'UTC', LANG: 'C', USER: 'root' } },
      {
        umask: 0o077,
        names: '/a.b,/a-b,/a/2,/Z/1,/ä/ö',
        env: { TZ: 'Pacific/Auckland', LANG: 'sv_SE.UTF-8', USER: 'anna' },
      },
      { umask: 0o000, names: '/Z/1,/a/2,/ä/ö,/a.b,/a-b', env: { TZ: 'America/Lima', LC_ALL: 'de_DE', USER: 'bo' } },
    ];
    const digests = await Promise.all(
      machines.map(async ({ umask, names, env }, index) => {
        const root = join(folder, `${'machine '.repeat(index + 1)}${index}`);
        const { resolve, promise } = Promise.withResolvers<number | null>();
        const child = spawn(
          process.execPath,
          [
            '--input-type=module',
            '--eval',
            program,
            String(umask),
            root,
            names,
            new URL('archive.ts', import.meta.url).href,
          ],
          { env, stdio: ['ignore', 'pipe', 'inherit'] },
        );
        child.once('close', resolve);
        const output: Buffer[] = [];
        child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
        expect(await promise).toBe(0);
        return Buffer.concat(output).toString();
      }),
    );
    expect(digests[0]).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(new Set(digests).size).toBe(1);
  });
});
