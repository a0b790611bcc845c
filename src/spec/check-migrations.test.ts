import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parsePlatform } from '../core/spec/parse-platform.ts';
import { checkMigrations } from './check-migrations.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'veza-check-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function problems(
  files: Readonly<Record<string, string>>,
  build?: { readonly command: string; readonly output?: string },
): Promise<readonly string[]> {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const api = {
    source: 'api',
    run: 'node main.js',
    build,
    resources: ['db'],
    gates: { migrations: { directory: 'm' } },
  };
  const parsed = parsePlatform({ name: 'shop', services: { api }, resources: { db: { kind: 'postgres' } } });
  if (!parsed.ok) throw new Error(parsed.mistakes.map(({ message }) => message).join('\n'));
  return (await checkMigrations(parsed.platform, folder)).map(({ path, got }) => `${path}: ${got}`);
}

const WHERE = 'services.api.gates.migrations.directory';

describe('migrations in the source', () => {
  test('say how they are taken back, or that they cannot be', async () => {
    const files = { 'api/m/0001_a.expand.sql': '', 'api/m/0002_b.migrate.sql': '' };
    expect(await problems(files)).toEqual([
      expect.stringContaining(
        `${WHERE}: 0001_a.expand.sql: nothing says how it is taken back: add 0001_a.expand.undo.sql`,
      ),
      expect.stringContaining(`${WHERE}: 0002_b.migrate.sql: nothing says how it is taken back`),
    ]);
    const put = { 'api/m/0001_a.expand.undo.sql': '', 'api/m/0002_b.migrate.sql': '-- veza:irreversible: so it is\n' };
    expect(await problems(put)).toEqual([]);
  });

  test('are there, unless a build makes them', async () => {
    expect(await problems({})).toEqual([`${WHERE}: no folder ${join(folder, 'api/m')}`]);
    expect(await problems({}, { command: 'make' })).toEqual([]);
    expect(await problems({ 'api/m/x.sql': '' }, { command: 'make' })).toEqual([
      expect.stringContaining(`${WHERE}: x.sql: expected`),
    ]);
    expect(await problems({}, { command: 'make', output: 'dist' })).toEqual([]);
  });
});
