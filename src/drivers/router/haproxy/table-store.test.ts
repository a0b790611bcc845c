import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plainEdge, type RouteInForce } from '../../../core/route-table.ts';
import { emptyTable, loadTable, saveTable, type Table } from './table-store.ts';

const route = {
  stamp: { epoch: 5, version: 7 },
  entry: {
    service: 'web',
    public: null,
    internalPort: 9_000,
    proxy: { responseTimeoutMs: 1, idleTimeoutMs: 1, maxBodyBytes: null, drainMs: 1 },
    edge: plainEdge,
    stable: 'blue',
    candidateWeight: 0,
    endpoints: { blue: [], green: [] },
    releases: { blue: null, green: null },
  },
} as unknown as RouteInForce;

const present: Table = { routes: new Map([['web', route]]), removed: new Map(), relayPorts: { web: 9_100 } };
const gone: Table = { ...emptyTable, removed: new Map([['web', route.stamp]]) };

describe('the table on disk', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'veza-table-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('comes back as it was', async () => {
    const file = path.join(folder, 'table.json');
    expect(await loadTable(file)).toEqual({ table: emptyTable, warning: null });
    await saveTable(file, { ...present, removed: gone.removed });
    expect(await loadTable(file)).toEqual({ table: { ...present, removed: gone.removed }, warning: null });
  });

  it('is set aside when it is damaged, and never deleted', async () => {
    const file = path.join(folder, 'table.json');
    await writeFile(file, '{"format":1,"sha256":"0"}\n{"routes":[]}\n');
    const { table, warning } = await loadTable(file);
    expect(table).toEqual(emptyTable);
    expect(warning).toContain('set aside');
    expect((await readdir(folder)).some((name) => name.startsWith('table.json.corrupt-'))).toBe(true);
  });
});
