import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AssetShelf } from './asset-shelf.ts';

const DAY_MS = 86_400_000;
let root: string;
let now: number;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'veza-shelf-'));
  now = Date.UTC(2026, 0, 1);
});

afterEach(() => rm(root, { recursive: true, force: true }));

/** Assets as a build leaves them. */
async function built(...names: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(root, 'built-'));
  for (const name of names) {
    await writeFile(join(folder, name), `content of ${name}`);
    await writeFile(join(folder, `${name}.br`), 'smaller');
  }
  return folder;
}

function shelf(options: { readonly keepSets?: number } = {}): AssetShelf {
  const folder = join(root, 'data');
  return new AssetShelf({ folder, keepMs: 30 * DAY_MS, keepSets: options.keepSets ?? 20, clock: () => now });
}

const text = async (found: ReturnType<AssetShelf['find']>): Promise<string | undefined> =>
  (await found)?.forms.identity.toString();

describe('the shelf of assets', () => {
  test('keeps the assets of an earlier release beside those of the next, with their compressed forms', async () => {
    await shelf().add(await built('app-1.js', 'same.css'));
    const second = shelf();
    await second.add(await built('app-2.js', 'same.css'));

    expect(await text(second.find('app-1.js'))).toBe('content of app-1.js');
    expect(await text(second.find('app-2.js'))).toBe('content of app-2.js');
    expect((await second.find('same.css'))?.forms.br?.toString()).toBe('smaller');
  });

  test('finds what a newer release put there while this one runs', async () => {
    const old = shelf();
    await old.add(await built('app-1.js'));
    await shelf().add(await built('app-2.js'));
    now += 1001;

    expect(await text(old.find('app-2.js'))).toBe('content of app-2.js');
  });

  test('looks at the folder at most once a second for names that are not there', async () => {
    const old = shelf();
    await old.add(await built('app-1.js'));
    now += 1001;
    expect(await old.find('app-2.js')).toBeNull();
    await shelf().add(await built('app-2.js'));

    now += 999;
    expect(await old.find('app-2.js')).toBeNull();
    now += 1;
    expect(await old.find('app-2.js')).not.toBeNull();
  });

  test.each(['../secret', '..', '.hidden', 'a/b', '', 'a%2fb', 'x'.repeat(201)])(
    'has nothing named %j',
    async (name) => {
      await mkdir(join(root, 'data'), { recursive: true });
      await writeFile(join(root, 'data', 'secret'), 'secret');
      await writeFile(join(root, 'data', '.hidden'), 'secret');
      const one = shelf();
      await one.add(await built('app-1.js'));
      expect(await one.find(name)).toBeNull();
    },
  );

  test('lets go of what no instance has served for longer than is kept, and never of its own', async () => {
    const first = shelf();
    const old = await first.add(await built('app-1.js'));
    now += 31 * DAY_MS;
    const second = shelf();
    const own = await second.add(await built('app-2.js'));

    expect(await second.tidy(own)).toEqual([old]);
    expect(await second.find('app-1.js')).toBeNull();
    now += 31 * DAY_MS;
    expect(await second.tidy(own)).toEqual([]);
    expect(await second.find('app-2.js')).not.toBeNull();
  });

  test('keeps what is still served, however old it is', async () => {
    const first = shelf();
    const assets = await built('app-1.js');
    await first.add(assets);
    now += 31 * DAY_MS;
    await first.add(assets);
    const second = shelf();
    const own = await second.add(await built('app-2.js'));

    expect(await second.tidy(own)).toEqual([]);
    expect(await second.find('app-1.js')).not.toBeNull();
  });

  test('keeps the most recent ones when there are too many', async () => {
    const last = shelf({ keepSets: 3 });
    let own = '';
    for (const name of ['a-1.js', 'a-2.js', 'a-3.js', 'a-4.js', 'a-5.js']) {
      now += 1000;
      own = await last.add(await built(name));
    }
    await last.tidy(own);

    expect(await last.find('a-2.js')).toBeNull();
    expect(await last.find('a-3.js')).not.toBeNull();
    expect(await last.find('a-5.js')).not.toBeNull();
    expect(await readdir(join(root, 'data', 'assets'))).toHaveLength(3);
  });

  test('takes many instances that put the same on it at once', async () => {
    const assets = await built('app-1.js');
    const names = await Promise.all(Array.from({ length: 8 }, () => shelf().add(assets)));

    expect(new Set(names).size).toBe(1);
    expect(await readdir(join(root, 'data'))).toEqual(['assets']);
    expect(await text(shelf().find('app-1.js'))).toBe('content of app-1.js');
  });
});
