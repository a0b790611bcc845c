import { describe, expect, it } from 'vitest';
import { MaintenanceBook, type MaintenanceDecision } from './maintenance-book.ts';

const decision = (changes: Partial<MaintenanceDecision> = {}): MaintenanceDecision => ({
  environment: 'production',
  service: 'web',
  on: { retryAfterSeconds: 300, html: null },
  by: 'anna',
  at: 1,
  ...changes,
});

describe('decisions about maintenance', () => {
  it('are written down before they are in force', () => {
    const written: MaintenanceDecision[] = [];
    const book: MaintenanceBook = new MaintenanceBook((made) => {
      expect(book.find('production', 'web')).toBeNull();
      written.push(made);
    });
    book.decide(decision());
    expect(written).toEqual([decision()]);
    expect(book.find('production', 'web')).toEqual(decision());
  });

  it('that cannot be written down change nothing', () => {
    const book = new MaintenanceBook(() => {
      throw new Error('the disk is full');
    });
    expect(() => book.decide(decision())).toThrow('the disk is full');
    expect(book.find('production', 'web')).toBeNull();
  });

  it('are about one service of one environment, and hold until they are taken back', () => {
    const book = new MaintenanceBook(() => {});
    book.restore(decision());
    expect(book.find('staging', 'web')).toBeNull();
    expect(book.find('production', 'api')).toBeNull();
    book.restore(decision({ on: { retryAfterSeconds: 60, html: '<p>' } }));
    expect(book.find('production', 'web')?.on).toEqual({ retryAfterSeconds: 60, html: '<p>' });
    book.restore(decision({ on: null }));
    expect(book.find('production', 'web')).toBeNull();
  });
});
