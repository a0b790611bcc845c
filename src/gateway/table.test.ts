import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compareStamps, type RouteInForce, type WriteStamp } from '../core/route-table.ts';
import { TableFile } from './table-file.ts';
import { emptyTable, putRoute, removeRoute, type RouteTable } from './table.ts';
import { testEntry } from './testing-entry.ts';

const route = (stamp: WriteStamp): RouteInForce => ({ stamp, entry: testEntry() });

function changed(change: ReturnType<typeof putRoute>): RouteTable {
  if (change.kind !== 'changed') throw new Error(`the table was not changed: ${change.kind}`);
  return change.table;
}

describe('a table', () => {
  it('never goes back to an older stamp, whatever is written and removed in whatever order', () => {
    const stamp = fc.record({ epoch: fc.nat(3), version: fc.nat(3) });
    const write = fc.record({ kind: fc.constantFrom('put', 'remove'), stamp });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 30 }), (writes) => {
        let table = emptyTable;
        let newest: WriteStamp | null = null;
        for (const one of writes) {
          const before = table;
          const change = one.kind === 'put' ? putRoute(table, route(one.stamp)) : removeRoute(table, one.stamp, 'web');
          const order: number = newest === null ? 1 : compareStamps(one.stamp, newest);
          if (change.kind === 'changed') table = change.table;
          expect(change.kind === 'changed').toBe(order > 0);
          if (order < 0) expect(change).toEqual({ kind: 'stale', inForce: newest });
          if (order > 0) newest = one.stamp;
          const inForce = table.routes.get('web')?.stamp ?? table.removed.get('web') ?? null;
          expect(inForce).toEqual(newest);
          if (change.kind !== 'changed') expect(table).toBe(before);
        }
      }),
    );
  });

  it('does not change the table it was made from', () => {
    const first = changed(putRoute(emptyTable, route({ epoch: 1, version: 1 })));
    changed(removeRoute(first, { epoch: 1, version: 2 }, 'web'));
    expect(emptyTable.routes.size).toBe(0);
    expect(first.routes.size).toBe(1);
  });
});

describe('a table on disk', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'veza-table-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const now = new Date('2026-01-02T03:04:05Z');
  const file = () => path.join(folder, 'table.json');

  it('comes back as it was, with the stamps of what was removed', async () => {
    const table = changed(
      removeRoute(
        changed(putRoute(emptyTable, { stamp: { epoch: 1, version: 1 }, entry: testEntry({ service: 'api' }) })),
        { epoch: 1, version: 2 },
        'gone',
      ),
    );
    expect(await new TableFile(file()).save(table)).toBe(true);
    const loaded = await new TableFile(file()).load(now);
    expect(loaded.warning).toBeNull();
    expect([...loaded.table.routes]).toEqual([...table.routes]);
    expect([...loaded.table.removed]).toEqual([...table.removed]);
  });

  it('has what is mirrored, and comes back also when it was written before anything could be', async () => {
    const mirrored = testEntry({ service: 'api', mirror: { share: 25, shapes: true } });
    const stamp = { epoch: 1, version: 1 };
    const table = changed(putRoute(changed(putRoute(emptyTable, route(stamp))), { stamp, entry: mirrored }));
    await new TableFile(file()).save(table);
    expect(await readFile(file(), 'utf8')).not.toMatch(/"service":"web"[^}]*"mirror"/);
    const { routes } = (await new TableFile(file()).load(now)).table;
    expect(routes.get('web')?.entry.mirror).toBeUndefined();
    expect(routes.get('api')?.entry.mirror).toEqual({ share: 25, shapes: true });
  });

  it('holds the newest of many that were saved at once', async () => {
    const tables = new TableFile(file());
    let table = emptyTable;
    const saves: Promise<boolean>[] = [];
    for (let version = 1; version <= 50; version += 1) {
      table = changed(putRoute(table, route({ epoch: 1, version })));
      saves.push(tables.save(table));
    }
    expect(await Promise.all(saves)).toEqual(Array.from({ length: 50 }, () => true));
    expect((await new TableFile(file()).load(now)).table.routes.get('web')?.stamp.version).toBe(50);
  });

  it('is set aside, not deleted, when any byte of it was changed', async () => {
    await new TableFile(file()).save(changed(putRoute(emptyTable, route({ epoch: 1, version: 1 }))));
    const text = await readFile(file(), 'utf8');
    const damaged = text.replace('"version":1', '"version":2');
    expect(damaged).not.toBe(text);
    await writeFile(file(), damaged);
    const loaded = await new TableFile(file()).load(now);
    expect(loaded.table.routes.size).toBe(0);
    expect(loaded.table.lost).toBe(true);
    expect(loaded.warning).toContain('wrong checksum');
    expect(await readFile(`${file()}.corrupt-2026-01-02T030405.000Z`, 'utf8')).toBe(damaged);
  });

  it('is known to be lost until it is written again, also by the next one to start', async () => {
    await writeFile(file(), 'garbage');
    await new TableFile(file()).load(now);
    const next = await new TableFile(file()).load(now);
    expect(next.table.lost).toBe(true);
    expect(next.warning).toContain('damaged at an earlier start');
    const written = changed(putRoute(next.table, route({ epoch: 1, version: 1 })));
    expect(written.lost).toBe(false);
    await new TableFile(file()).save(written);
    expect((await new TableFile(file()).load(now)).warning).toBeNull();
  });

  it('says when and why it cannot be written', async () => {
    const tables = new TableFile(path.join(folder, 'missing', 'table.json'));
    expect(await tables.save(emptyTable)).toBe(false);
    expect(tables.failure).toContain('ENOENT');
  });
});
