import { describe, expect, test } from 'vitest';
import { evaluate, rangeCounts } from './precondition.ts';

describe('conditions of a request, for the version "a"', () => {
  test.each([
    [{}, 'go-on'],
    [{ 'if-match': '"a"' }, 'go-on'],
    [{ 'if-match': '*' }, 'go-on'],
    [{ 'if-match': '"b", "a"' }, 'go-on'],
    [{ 'if-match': '"b"' }, 'failed'],
    [{ 'if-match': 'W/"a"' }, 'failed'],
    [{ 'if-match': 'a' }, 'failed'],
    [{ 'if-none-match': '"a"' }, 'not-modified'],
    [{ 'if-none-match': 'W/"a"' }, 'not-modified'],
    [{ 'if-none-match': '"x,y", "a"' }, 'not-modified'],
    [{ 'if-none-match': '*' }, 'not-modified'],
    [{ 'if-none-match': '"b"' }, 'go-on'],
    [{ 'if-match': '"b"', 'if-none-match': '"a"' }, 'failed'],
  ] as const)('%o: %s', (headers, verdict) => {
    expect(evaluate(headers, 'a')).toBe(verdict);
  });

  test.each([
    [undefined, true],
    ['"a"', true],
    ['W/"a"', false],
    ['"b"', false],
    ['Wed, 21 Oct 2015 07:28:00 GMT', false],
  ])('a range beside If-Range %s counts: %s', (ifRange, counts) => {
    expect(rangeCounts({ 'if-range': ifRange }, 'a')).toBe(counts);
  });
});
