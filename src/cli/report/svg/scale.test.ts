import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clock, fromZero, logarithmic, roundStep, timeScale } from './scale.ts';

const size = fc.double({ min: 1e-6, max: 1e9, noNaN: true });

describe('an axis from zero', () => {
  it('ends at a round number', () => {
    expect(fromZero(87, [100, 0], String).ticks.map(({ label }) => label)).toEqual(['0', '50', '100']);
    expect(fromZero(0, [100, 0], String).ticks.length).toBeGreaterThan(1);
  });

  it('has ticks on the axis, evenly apart, a few of them, whatever the values', () => {
    fc.assert(
      fc.property(size, (largest) => {
        const { ticks, at } = fromZero(largest, [100, 0], String);
        expect(ticks.length).toBeGreaterThanOrEqual(2);
        expect(ticks.length).toBeLessThanOrEqual(6);
        expect(at(0)).toBe(100);
        expect(at(ticks.at(-1)?.value ?? 0)).toBe(0);
        expect(at(largest)).toBeGreaterThanOrEqual(0);
        expect(at(largest * 10)).toBe(0);
      }),
    );
  });

  it('steps by 1, 2 or 5 times a power of ten', () => {
    fc.assert(
      fc.property(size, (least) => {
        const step = roundStep(least);
        expect(step).toBeGreaterThanOrEqual(least * (1 - 1e-6));
        expect(step).toBeLessThanOrEqual(least * 2.6);
        expect(['1', '2', '5']).toContain(step.toExponential(3)[0]);
      }),
    );
  });
});

describe('a logarithmic axis', () => {
  it('has powers of ten, one among them, and stands at its edge outside', () => {
    const { ticks, at } = logarithmic(1e-3, 120, [100, 0], String);
    expect(ticks.map(({ value }) => value)).toEqual([1e-3, 1e-2, 1e-1, 1, 10, 100, 1000]);
    expect(at(1e-9)).toBe(100);
    expect(at(0)).toBe(100);
    expect(at(1e300)).toBe(0);
    expect(at(1)).toBe(50);
  });

  it('rises', () => {
    fc.assert(
      fc.property(size, size, size, (a, b, c) => {
        const [low = 1, middle = 1, high = 1] = [a, b, c].sort((x, y) => x - y);
        const { at } = logarithmic(low, high, [100, 0], String);
        expect(at(low)).toBeGreaterThanOrEqual(at(middle));
        expect(at(middle)).toBeGreaterThanOrEqual(at(high));
      }),
    );
  });
});

describe('an axis of time', () => {
  it('has round times, with seconds where they are near', () => {
    const from = Date.UTC(2026, 2, 2, 14, 2, 10) / 1_000;
    expect(timeScale(from, from + 60, [0, 600], 6).ticks.map(({ label }) => label)).toEqual([
      '14:02:10',
      '14:02:20',
      '14:02:30',
      '14:02:40',
      '14:02:50',
      '14:03:00',
      '14:03:10',
    ]);
    expect(timeScale(from, from + 3_600, [0, 600], 6).ticks.map(({ label }) => label)).toEqual([
      '14:10',
      '14:20',
      '14:30',
      '14:40',
      '14:50',
      '15:00',
    ]);
  });

  it('never has more ticks than there is room for, from a second to months', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2e9 }), fc.integer({ min: 1, max: 1e7 }), (from, length) => {
        expect(timeScale(from, from + length, [0, 600], 6).ticks.length).toBeLessThanOrEqual(7);
      }),
    );
  });

  it('is UTC', () => expect(clock(0)).toBe('00:00:00'));
});
