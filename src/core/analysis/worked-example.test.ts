import { describe, expect, it } from 'vitest';
import { MORE_EVENTS, eventFactors } from './event-evidence.ts';

// SEQUENTIAL.md, section 1: every second 5:95 requests; in total 7 candidate and 9 stable errors; r0 = 1.5, no restarts.

const limit = { ratio: 1.5, allowance: 0 };

describe('the worked example', () => {
  const counts = { candidateTotal: 5, candidateEvents: 7, stableTotal: 95, stableEvents: 9 };
  const sums = eventFactors(counts, limit, 1, MORE_EVENTS);

  it('holds to the printed digits', () => {
    expect((1.5 * 5) / (1.5 * 5 + 95)).toBeCloseTo(0.07317, 5);
    [2.263, 3.722, 5.505, 7.159, 8.023, 5.593, -1.515].forEach((sum, index) => expect(sums[index]).toBeCloseTo(sum, 3));
    const mean = sums.reduce((total, sum) => total + Math.exp(sum), 0) / sums.length;
    expect(Math.log(mean)).toBeCloseTo(6.551, 3);
    expect(Math.round(mean)).toBe(700);
  });
});
