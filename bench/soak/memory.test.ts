import { describe, expect, test } from 'vitest';
import { trendOf, type MemorySample } from './memory.ts';

const MiB = 2 ** 20;
const samples = (rss: (second: number) => number): MemorySample[] =>
  Array.from({ length: 60 }, (_, second) => ({ at: second, rss: rss(second) }));

describe('the trend of memory', () => {
  test('given a sawtooth of collections around the same size, it is flat', () => {
    expect(trendOf(samples((second) => 100 * MiB + (second % 7) * 6 * MiB)).flat).toBe(true);
  });

  test('given a leak of half a MiB a second below the same sawtooth, it is not', () => {
    const trend = trendOf(samples((second) => 100 * MiB + (second % 7) * 6 * MiB + second * 0.5 * MiB));
    expect(trend.flat).toBe(false);
    expect(trend.growth / MiB).toBeGreaterThan(25);
  });

  test('given one peak at the end, it is flat', () => {
    expect(trendOf(samples((second) => (second === 59 ? 500 : 100) * MiB)).flat).toBe(true);
  });

  test('given memory that is given back, it is flat', () => {
    expect(trendOf(samples((second) => (200 - second) * MiB)).flat).toBe(true);
  });

  test('given too few samples, there is no trend', () => {
    expect(() => trendOf(samples(() => MiB).slice(0, 9))).toThrow('9 samples');
  });
});
