import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideContract, decideUndo, missingContracts, needsOldForm, usesMigration, type Holding } from './decide.ts';
import {
  MIGRATION_KINDS,
  sameMigration,
  type AppliedMigration,
  type MigrationId,
  type MigrationKind,
} from './kinds.ts';

const id = (number: number, kind: MigrationKind, text = 'a'): MigrationId => ({
  number,
  name: `m${number}`,
  kind,
  checksum: `${number}-${kind}-${text}`,
});

const holding = (release: string, files: readonly MigrationId[] | null, role: Holding['role'] = 'live'): Holding => ({
  environment: 'production',
  service: 'api',
  release,
  role,
  slot: role === 'queued' || role === 'rollback' ? null : 'blue',
  deployment: null,
  until: null,
  files,
});

const [e1, c1, e2, m2, c2] = [id(1, 'expand'), id(1, 'contract'), id(2, 'expand'), id(2, 'migrate'), id(2, 'contract')];
const whole = [e1, c1, e2, m2, c2];
const before = [e1, e2, m2];
const ask = (holdings: readonly Holding[], applied: readonly MigrationId[] = before, giveUpRollback = false) =>
  decideContract({ folder: whole, applied, holdings, giveUpRollback });

describe('a contract migration', () => {
  test('is run when everybody who can get traffic has it in its own folder', () => {
    const roles = ['live', 'candidate', 'queued', 'warm', 'rollback'] as const;
    expect(ask(roles.map((role) => holding(`rel_${role}`, whole, role)))).toEqual({ run: [c1, c2], deferred: [] });
  });

  test.each(['live', 'candidate', 'queued', 'warm', 'rollback'] as const)(
    'waits for a release that lacks it and is %s, and says so',
    (role) => {
      const old = holding('rel_old', [e1, c1, e2], role);
      expect(ask([holding('rel_new', whole), old])).toEqual({
        run: [c1],
        deferred: [{ contract: c2, neededBy: [old], after: [] }],
      });
    },
  );

  test('of another text is not the same one', () => {
    const changed = holding('rel_changed', [e1, c1, e2, m2, id(2, 'contract', 'b')], 'warm');
    expect(ask([changed]).deferred.map(({ neededBy }) => neededBy)).toEqual([[changed]]);
  });

  test('waits for a release of which nothing is known', () => {
    expect(ask([holding('rel_gone', null, 'warm')]).run).toEqual([]);
  });

  test('gives up only what a rollback would choose, never what runs', () => {
    const old = holding('rel_old', [], 'rollback');
    expect(ask([holding('rel_new', whole), old], before, true).run).toEqual([c1, c2]);
    expect(ask([holding('rel_new', whole), { ...old, role: 'warm' }], before, true).run).toEqual([]);
  });

  test('waits for what must come before it', () => {
    expect(ask([], [e1])).toEqual({ run: [c1], deferred: [{ contract: c2, neededBy: [], after: [e2, m2] }] });
    const old = holding('rel_old', [c2]);
    expect(ask([old]).deferred).toEqual([
      { contract: c1, neededBy: [old], after: [] },
      { contract: c2, neededBy: [], after: [c1] },
    ]);
  });
});

const ids = fc
  .uniqueArray(fc.record({ number: fc.integer({ min: 1, max: 4 }), kind: fc.constantFrom(...MIGRATION_KINDS) }), {
    selector: ({ number, kind }) => `${number} ${kind}`,
  })
  .map((list) => list.map(({ number, kind }) => id(number, kind)));
const holdings = fc.array(
  fc
    .record({
      files: fc.option(ids, { freq: 8 }),
      role: fc.constantFrom<Holding['role'][]>('live', 'candidate', 'queued', 'warm', 'rollback'),
    })
    .map(({ files, role }) => holding('rel_x', files, role)),
  { maxLength: 4 },
);

describe('whatever there is', () => {
  test('no contract is run that a running release lacks, and every one is either in force, run or deferred with a reason', () => {
    fc.assert(
      fc.property(ids, ids, holdings, fc.boolean(), (folder, applied, all, giveUpRollback) => {
        const { run, deferred } = decideContract({ folder, applied, holdings: all, giveUpRollback });
        for (const one of run) {
          expect(
            all.filter(({ role }) => role !== 'rollback' || !giveUpRollback).some((each) => needsOldForm(each, one)),
          ).toBe(false);
          expect(applied.some((other) => sameMigration(one, other))).toBe(false);
          for (const other of folder)
            if (other.number < one.number)
              expect([...applied, ...run].some((each) => sameMigration(each, other))).toBe(true);
        }
        for (const { neededBy, after } of deferred) expect(neededBy.length + after.length).toBeGreaterThan(0);
        const inForce = applied.filter((one) => folder.some((other) => sameMigration(one, other)));
        const contracts = [...run, ...deferred.map(({ contract }) => contract), ...inForce].filter(
          ({ kind }) => kind === 'contract',
        );
        expect(contracts).toHaveLength(folder.filter(({ kind }) => kind === 'contract').length);
      }),
    );
  });

  test('once it has been run, each release that may run is one that is not refused, and the other way round', () => {
    fc.assert(
      fc.property(ids, ids, holdings, (folder, applied, all) => {
        const { run } = decideContract({ folder, applied, holdings: all, giveUpRollback: false });
        for (const each of all) expect(missingContracts(each, run)).toEqual([]);
        for (const contract of run)
          expect(missingContracts({ files: folder.filter((one) => one !== contract) }, run)).toContainEqual(contract);
      }),
    );
  });

  test('the decision over any number of releases is the one over each of them alone', () => {
    fc.assert(
      fc.property(ids, ids, holdings, (folder, applied, all) => {
        const runOf = (some: readonly Holding[]): readonly MigrationId[] =>
          decideContract({ folder, applied, holdings: some, giveUpRollback: false }).run;
        const alone = all.map((each) => runOf([each]));
        const together = runOf(all);
        for (const one of together) for (const list of alone) expect(list).toContainEqual(one);
      }),
    );
  });
});

describe('taking back', () => {
  const applied = (list: readonly MigrationId[]): readonly AppliedMigration[] =>
    list.map((one, index) => ({ ...one, appliedAt: index, release: 'rel_1', undoable: true, irreversible: null }));

  test('is of what was applied last, or of everything above a number, the last one first', () => {
    const all = applied([e1, e2, m2, c1]);
    expect(decideUndo({ applied: all, holdings: [], to: null })).toMatchObject({ undo: [c1], kept: [] });
    expect(decideUndo({ applied: all, holdings: [], to: 1 })).toMatchObject({ undo: [m2, e2], kept: [] });
    expect(decideUndo({ applied: all, holdings: [], to: 0 })).toMatchObject({ undo: [c1, m2, e2, e1], kept: [] });
    expect(decideUndo({ applied: [], holdings: [], to: null })).toEqual({ undo: [], kept: [] });
  });

  test('waits for releases that were built on it; of a contract for nobody', () => {
    const live = holding('rel_new', whole);
    const all = applied([e1, e2, m2, c1]);
    expect(decideUndo({ applied: all, holdings: [live], to: null }).kept).toEqual([]);
    expect(decideUndo({ applied: all, holdings: [live], to: 1 }).kept).toMatchObject([
      { migration: m2, usedBy: [live], why: null },
      { migration: e2, usedBy: [live], why: null },
    ]);
    const old = holding('rel_old', [e1]);
    expect(decideUndo({ applied: all, holdings: [old], to: 1 }).kept).toEqual([]);
    expect(decideUndo({ applied: all, holdings: [holding('rel_gone', null)], to: 1 }).kept).toHaveLength(2);
  });

  test('is refused for what says that it is irreversible, or says nothing', () => {
    const [first, second] = applied([e1, e2]);
    if (first === undefined || second === undefined) throw new Error('two expected');
    const lost = { ...first, undoable: false, irreversible: 'the old rows are gone' };
    const unknown = { ...second, undoable: false };
    expect(decideUndo({ applied: [lost, unknown], holdings: [], to: 0 }).kept).toMatchObject([
      { migration: e2, why: expect.stringContaining('before undo files were kept') },
      { migration: e1, why: 'the old rows are gone' },
    ]);
  });

  test('takes nothing back that any release uses which can get traffic', () => {
    fc.assert(
      fc.property(ids, holdings, fc.option(fc.integer({ min: 0, max: 4 })), (list, all, to) => {
        const { undo, kept } = decideUndo({ applied: applied(list), holdings: all, to });
        const used = undo.filter((one) => all.some((each) => usesMigration(each, one)));
        expect(kept.map(({ migration }) => migration)).toEqual(used);
      }),
    );
  });
});
