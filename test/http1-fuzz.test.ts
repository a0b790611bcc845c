import { describe, expect, it } from 'vitest';
import { fuzz } from './fuzz/http1.ts';

// The bounded run of test/fuzz/http1.ts. The seeds are fixed: a failure here is one that anybody sees again.

describe('the parsers of HTTP/1.1', () => {
  it(
    'given 50,000 inputs, whole and in pieces, hold what they promise and read them as llhttp does',
    { timeout: 60_000 },
    () => {
      const report = fuzz({ inputs: 50_000, seed: 1, compareEach: 5 });
      expect(report.failures).toEqual([]);
      expect(report.inputs).toBe(50_000);
      // The inputs are worth something: most messages are read, many are refused, and nearly all reasons to refuse come up.
      expect(report.complete).toBeGreaterThan(20_000);
      expect(report.outcomes.size).toBeGreaterThan(80);
      expect(report.comparisons.get('same')).toBeGreaterThan(9_500);
    },
  );

  it.each([2, 3, 5, 8, 13])('given other inputs (seed %i), too', (seed) => {
    expect(fuzz({ inputs: 2_000, seed, compareEach: 1 }).failures).toEqual([]);
  });
});
