import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseLsn, ReplicaLag } from './replica-lag.ts';

describe('a place in the write-ahead log', () => {
  test('is read as PostgreSQL writes it', () => {
    expect(parseLsn('16/B374D848')).toBe(0x16b374d848n);
    expect(parseLsn('0/0')).toBe(0n);
    for (const wrong of ['', '16', '16/', '/1', '1/2/3', '1/G', ' 1/2'])
      expect(() => parseLsn(wrong)).toThrow(TypeError);
  });
});

describe('the lag of a replica', () => {
  test('is infinite before anything is known, and nothing for one that has all', () => {
    const lag = new ReplicaLag();
    expect(lag.lagMs(0, 5n)).toBe(Number.POSITIVE_INFINITY);
    lag.notePrimary(0, 5n);
    expect(lag.lagMs(90_000, 5n)).toBe(0);
    expect(lag.lagMs(90_000, 6n)).toBe(0);
  });

  test('never says less than the truth', () => {
    // A primary that writes at random times, asked at random times; the truth is the age of the oldest write that is missing.
    const step = fc.record({ afterMs: fc.integer({ min: 1, max: 3000 }), writes: fc.integer({ min: 0, max: 3 }) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), fc.nat({ max: 100 }), (steps, missing) => {
        const lag = new ReplicaLag();
        const written: { readonly atMs: number; readonly lsn: bigint }[] = [];
        let now = 0;
        let lsn = 0n;
        for (const { afterMs, writes } of steps) {
          for (let write = 1; write <= writes; write += 1) {
            lsn += 1n;
            written.push({ atMs: now + (afterMs * write) / (writes + 1), lsn });
          }
          now += afterMs;
          lag.notePrimary(now, lsn);
        }
        const replayed = lsn - BigInt(Math.min(missing, Number(lsn)));
        const oldestMissing = written.find((write) => write.lsn > replayed);
        const truth = oldestMissing === undefined ? 0 : now - oldestMissing.atMs;
        expect(lag.lagMs(now, replayed)).toBeGreaterThanOrEqual(truth);
      }),
    );
  });
});
