import { describe, expect, it } from 'vitest';
import { plane, up, veza } from '../../test/fixtures/command-line.ts';
import { ExitStatus } from '../errors.ts';

describe('veza migrations', () => {
  it('shows each with its state, what a deferred contract waits for, and whether it can be taken back', async () => {
    await up();
    const { status, out } = await veza(['migrations', 'web', '-e', 'production']);
    expect(status).toBe(ExitStatus.ok);
    expect(out).toContain('web in production (db, schema web)');
    expect(out).toMatch(/0001_orders\.expand\.sql +applied .* yes/);
    expect(out).toMatch(/0001_orders\.migrate\.sql +applied .* no: old rows are gone/);
    expect(out).toMatch(/0002_names\.contract\.sql +deferred/);
    expect(out).toContain('kept warm by dep_12');
    expect(plane.calls).toContainEqual(['migrations', 'production', 'web']);
  });

  it('says so when there are none', async () => {
    await up();
    expect(await veza(['migrations', 'nothing'])).toMatchObject({
      status: 0,
      out: 'No live service has migrations.\n',
    });
  });

  it('runs contracts and takes back, told what is done meanwhile, or as JSON', async () => {
    await up();
    const contract = await veza(['migrations', 'contract', 'web', '--give-up-rollback']);
    expect(contract.err).toContain('applying 0002_names.contract.sql (1 of 1)');
    expect(contract.out).toContain('web in production: 1 contract still deferred');
    const undo = await veza(['migrations', 'undo', 'web', '--to', '3', '--json']);
    expect(undo.err).toBe('');
    expect(JSON.parse(undo.out)).toMatchObject({ service: 'web', schema: 'web' });
    const [first, second] = plane.calls.filter(([method]) => method !== 'info');
    expect(first?.[1]).toEqual({ environment: null, service: 'web', giveUpRollback: true });
    expect(second?.[1]).toEqual({ environment: null, service: 'web', to: 3 });
  });

  it.each([
    [['migrations', 'undo', 'web', '--to', 'three'], '`--to three` is no number of a migration'],
    [['migrations', 'contract'], 'Missing required argument'],
  ])('refuses %o', async (args, message) => {
    await up();
    expect(await veza(args)).toMatchObject({ status: ExitStatus.usage, err: expect.stringContaining(message) });
  });
});
