import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sameMigration, type AppliedMigration, type MigrationId } from '../../core/migrations/kinds.ts';
import type { Release } from '../../core/release/release.ts';
import { Ledger } from '../../core/rollout/ledger.ts';
import { testLeg, testPlan } from '../../core/rollout/testing/plans.ts';
import { Stage } from '../../core/rollout/testing/stage.ts';
import type { Environment, Platform, Service } from '../../core/spec/platform.ts';
import type { MigrationRunner } from '../../drivers/resource/migrations.ts';
import { listMigrations } from '../../drivers/resource/migration-folder.ts';
import { ContractRefusedError, MigrationUndoneError, OldFormGoneError } from '../../errors.ts';
import { MigrationBook, type MigrationEntry } from './migration-book.ts';
import { MigrationDesk } from './migration-desk.ts';

const never = new AbortController().signal;
const EXPAND = { '0001_a.expand.sql': '-- veza:irreversible: no\n' };
const BOTH = { ...EXPAND, '0001_a.contract.sql': '' };

/** A database in memory: what is applied to it, and what goes wrong with it. */
class Database {
  applied: AppliedMigration[] = [];
  /** Called in the middle of whatever changes it. */
  during: () => void = () => undefined;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  put(...all: readonly MigrationId[]): void {
    for (const one of all)
      this.applied.push({ ...one, appliedAt: this.applied.length, release: null, undoable: true, irreversible: null });
  }

  runner(): MigrationRunner {
    return {
      state: async () => ({ database: this.name, applied: [...this.applied] }),
      apply: async ({ only }) => {
        this.during();
        this.put(...(only ?? []));
        const applied = (only ?? []).map((one) => ({ ...one, file: '', durationMs: 0 }));
        return { applied, alreadyApplied: 0, ahead: [] };
      },
      undo: async ({ migrations }) => {
        this.during();
        this.applied = this.applied.filter((one) => !migrations.some((other) => sameMigration(one, other)));
        return { undone: migrations.map((one) => ({ ...one, file: '', durationMs: 0 })) };
      },
    };
  }
}

describe('contracts of services that share a database', () => {
  let folder: string;
  let ledger: Ledger;
  let releases: Map<string, Release>;
  let databases: Record<'staging' | 'production', Database>;
  let entries: MigrationEntry[];
  let book: MigrationBook;
  let mode: 'embedded' | 'external';
  let desk: MigrationDesk;
  let numbers: number;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'veza-desk-'));
    [ledger, releases, entries, mode, numbers] = [new Ledger(), new Map(), [], 'external', 0];
    databases = { staging: new Database('shared'), production: new Database('shared') };
    book = new MigrationBook((entry) => void entries.push(entry));
    desk = open(book);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const open = (over: MigrationBook): MigrationDesk =>
    new MigrationDesk({
      ledger,
      book: over,
      releases: {
        has: (id) => releases.has(id),
        get: (id) => {
          const release = releases.get(id);
          if (release === undefined) throw new Error(id);
          return release;
        },
        unpack: async ({ id }) => join(folder, id),
      },
      platform: () =>
        ({
          environments: { staging: environment('staging'), production: environment('production') },
        }) as unknown as Platform,
      opened: () =>
        new Map(
          Object.entries(databases).map(([name, database]) => [
            name,
            { resources: new Map([['db', { migrations: database.runner() }]]) },
          ]),
        ),
    });
  const service = (schema: string | null): Service =>
    ({
      name: 'api',
      resources: ['db'],
      gates: { migrations: { resource: 'db', directory: 'm', schema } },
    }) as unknown as Service;
  const environment = (name: string): Environment =>
    ({
      name,
      services: { api: service(null) },
      resources: { db: { kind: 'postgres', mode } },
    }) as unknown as Environment;

  /** Builds a release with these files and makes it live. */
  function live(
    where: string,
    id: string,
    files: Readonly<Record<string, string>>,
    schema: string | null = null,
  ): void {
    mkdirSync(join(folder, id, 'm'), { recursive: true });
    for (const [name, sql] of Object.entries(files)) writeFileSync(join(folder, id, 'm', name), sql);
    const config = { staging: service(schema), production: service(schema) };
    releases.set(id, { id, service: 'api', config } as unknown as Release);
    numbers += 1;
    const leg = testLeg('api', { stable: null, candidate: { slot: 'blue', release: id as never } });
    ledger.put(new Stage(testPlan([leg], { id: `dep_${numbers}`, environment: where })).toTheEnd());
  }
  async function expanded(id: string): Promise<void> {
    const all = (await listMigrations(join(folder, id, 'm'))).filter(({ kind }) => kind !== 'contract');
    for (const database of new Set(Object.values(databases))) database.put(...all);
  }
  const contract = (): Promise<unknown> =>
    desk.contract(environment('staging'), 'api', false, 'ada', () => undefined, never);
  const check = (where: string, id: string, over = desk): Promise<void> => {
    const release = releases.get(id) as Release;
    return over.check(where, release.config[where] as Service, release, 'rollback', never);
  };

  test('wait for a release of another environment on the same database, under whatever address', async () => {
    live('staging', 'rel_2', BOTH);
    live('production', 'rel_1', EXPAND);
    await expanded('rel_2');
    await expect(contract()).rejects.toThrow('needed by rel_1 of api in production (blue), which is live');
    expect(entries).toEqual([]);
    // Once it is replaced there too, only the way back is in the way.
    live('production', 'rel_2', BOTH);
    await expect(contract()).rejects.toThrow(ContractRefusedError);
    await desk.contract(environment('staging'), 'api', true, 'ada', () => undefined, never);
    // And then it is in force in both.
    for (const where of ['staging', 'production'])
      await expect(check(where, 'rel_1')).rejects.toThrow(OldFormGoneError);
  });

  test.each([
    ['of another database', () => (databases.production = new Database('another'))],
    ['that is embedded, and so nobody else’s', () => (mode = 'embedded')],
    ['in another schema', () => live('production', 'rel_1', EXPAND, 'other')],
  ])('do not wait for a release %s', async (_, change) => {
    live('staging', 'rel_2', BOTH);
    live('production', 'rel_1', EXPAND);
    change();
    await expanded('rel_2');
    await contract();
    expect(databases.staging.applied.map(({ kind }) => kind)).toEqual(['expand', 'contract']);
    await check('production', 'rel_1');
  });

  test('are in force from the moment they are begun, over a crash in the middle, until the database says otherwise', async () => {
    live('staging', 'rel_2', BOTH);
    await expanded('rel_2');
    databases.staging.during = () => {
      throw new Error('the control plane is gone');
    };
    databases.staging.runner = () => ({
      ...Database.prototype.runner.call(databases.staging),
      state: async () => {
        if (entries.length > 0) throw new Error('and so is the database');
        return { database: 'shared', applied: [...databases.staging.applied] };
      },
    });
    await expect(contract()).rejects.toThrow('the control plane is gone');
    // What another control plane reads out of the journal.
    const after = new MigrationBook((entry) => void entries.push(entry));
    for (const entry of entries) after.restore(entry);
    const next = open(after);
    live('production', 'rel_1', EXPAND);
    await expect(check('staging', 'rel_1', next)).rejects.toThrow('0001_a.contract.sql took away');
    // The database is back, and has not been touched.
    databases.staging.runner = Database.prototype.runner.bind(databases.staging);
    await next.learn(environment('staging'), never);
    expect(entries.at(-1)).toMatchObject({ what: 'found', files: ['0001_a.contract.sql'] });
    await check('staging', 'rel_1', next);
  });

  test('what was taken back is not started again by a rollback, until a deployment has applied it', async () => {
    live('staging', 'rel_2', { ...EXPAND, '0002_b.expand.sql': '' });
    await expanded('rel_2');
    live('staging', 'rel_1', EXPAND);
    ledger.remove('staging', 'api');
    live('staging', 'rel_1', EXPAND);
    await desk.undo(environment('staging'), 'api', 1, 'ada', () => undefined, never);
    expect(databases.staging.applied.map(({ number }) => number)).toEqual([1]);
    await expect(check('staging', 'rel_2')).rejects.toThrow(MigrationUndoneError);
    await desk.check('staging', service(null), releases.get('rel_2') as Release, 'planned', never);
    desk.applied('staging', service(null), await listMigrations(join(folder, 'rel_2', 'm')));
    await check('staging', 'rel_2');
  });
});
