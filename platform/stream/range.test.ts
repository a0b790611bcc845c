import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseRange } from './range.ts';

describe('a Range header', () => {
  test.each([
    ['bytes=0-0', { first: 0, last: 0 }],
    ['bytes=0-', { first: 0, last: 99 }],
    ['bytes=10-19', { first: 10, last: 19 }],
    ['bytes=90-200', { first: 90, last: 99 }],
    ['bytes=-1', { first: 99, last: 99 }],
    ['bytes=-100', { first: 0, last: 99 }],
    ['bytes=-1000', { first: 0, last: 99 }],
    ['BYTES=5-6', { first: 5, last: 6 }],
    ['bytes= 5-6 ', { first: 5, last: 6 }],
    ['bytes=99-99999999999999999999', { first: 99, last: 99 }],
  ])('%s asks for a part', (header, range) => {
    expect(parseRange(header, 100)).toEqual({ kind: 'part', range });
  });

  test.each(['bytes=100-', 'bytes=100-200', 'bytes=-0', 'bytes=99999999999999999999-'])(
    '%s cannot be had',
    (header) => {
      expect(parseRange(header, 100)).toEqual({ kind: 'unsatisfiable' });
    },
  );

  test.each([
    undefined,
    '',
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=5-4',
    'bytes=1-2,5-6',
    'lines=1-2',
    'bytes=a-b',
    'bytes=1-2x',
    'bytes=+1-2',
  ])('%s is passed over', (header) => {
    expect(parseRange(header, 100)).toEqual({ kind: 'whole' });
  });

  test('of nothing has no part', () => {
    expect(parseRange('bytes=0-', 0)).toEqual({ kind: 'unsatisfiable' });
    expect(parseRange('bytes=-5', 0)).toEqual({ kind: 'whole' });
  });

  test('gives what slicing the content gives, 10,000 times', () => {
    const content = Buffer.from(Array.from({ length: 1_000 }, (_, index) => index % 251));
    const position = fc.integer({ min: 0, max: 1_100 });
    fc.assert(
      fc.property(fc.option(position, { nil: null }), fc.option(position, { nil: null }), (from, to) => {
        const wish = parseRange(`bytes=${from ?? ''}-${to ?? ''}`, content.length);
        const expected =
          from === null && to === null
            ? content
            : from === null
              ? content.subarray(Math.max(0, content.length - (to ?? 0)))
              : to !== null && to < from
                ? content
                : content.subarray(from, to === null ? content.length : to + 1);
        if (expected.length === 0) expect(wish.kind).toBe('unsatisfiable');
        else if (wish.kind === 'part')
          expect(content.subarray(wish.range.first, wish.range.last + 1)).toEqual(expected);
        else expect([wish.kind, expected.length]).toEqual(['whole', content.length]);
      }),
      { numRuns: 10_000 },
    );
  });

  test('never throws and never leaves the content, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^bytes=[0-9, -]{0,30}$/)), fc.nat(), (header, bytes) => {
        const wish = parseRange(header, bytes);
        return (
          wish.kind !== 'part' ||
          (wish.range.first >= 0 && wish.range.first <= wish.range.last && wish.range.last < bytes)
        );
      }),
      { numRuns: 5_000 },
    );
  });
});
