import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bytesText,
  clockText,
  countText,
  durationText,
  latencyText,
  percentText,
  plural,
  rateText,
  relativeText,
} from './numbers.ts';
import { table } from './table.ts';
import { cut, padEnd, padStart, type Style, widthOf, wrap } from './style.ts';

const PLAIN: Style = { colour: false, unicode: true, width: 80 };

describe('numbers for people', () => {
  it.each([
    [durationText(340), '340 ms'],
    [durationText(5_000), '5 s'],
    [durationText(5_400), '5.4 s'],
    [durationText(59_400), '59 s'],
    [durationText(185_000), '3 min 5 s'],
    [durationText(7_800_000), '2 h 10 min'],
    [durationText(97_200_000), '1 d 3 h'],
    [countText(4210), '4,210'],
    [plural(1, 'request'), '1 request'],
    [rateText(0.44), '0.4'],
    [rateText(150.2), '150'],
    [percentText(null), '-'],
    [percentText(0), '0 %'],
    [percentText(0.001), '<0.01 %'],
    [percentText(18.24), '18.2 %'],
    [latencyText(0.84), '0.8 ms'],
    [latencyText(48.2), '48 ms'],
    [latencyText(1234), '1.2 s'],
    [bytesText(1_400_000), '1.4 MB'],
    [relativeText(0, 7_300_000), '2 h ago'],
    [relativeText(12_400, 0), 'in 12 s'],
    [relativeText(0, 400), 'just now'],
  ])('%s', (text, expected) => {
    expect(text).toBe(expected);
  });

  it('never round an error rate away', () => {
    fc.assert(
      fc.property(
        fc.double({ min: Number.MIN_VALUE, max: 100, noNaN: true }),
        (percent) => percentText(percent) !== '0 %',
      ),
    );
  });

  it('name the day when it is another one', () => {
    const now = new Date(2026, 4, 4, 12).getTime();
    expect(clockText(now, now)).toBe('12:00:00');
    expect(clockText(now - 86_400_000, now)).toBe('2026-05-03 12:00:00');
  });
});

describe('text in columns', () => {
  it('cuts to the width, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 5, max: 40 }), (text, width) => {
        expect(widthOf(cut({ ...PLAIN, width }, text))).toBeLessThanOrEqual(width);
      }),
    );
  });

  it('keeps what fits as it is', () => {
    expect(cut(PLAIN, 'short')).toBe('short');
    expect(cut({ ...PLAIN, width: 6 }, 'too long')).toBe('too l…');
  });

  it('counts wide characters as two', () => {
    expect(widthOf('日本')).toBe(4);
    expect(padEnd('日本', 6)).toBe('日本  ');
    expect(padStart('\u001B[31mred\u001B[39m', 5)).toMatch(/^ {2}\u001B/);
  });

  it('wraps at spaces and loses nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 }), (words) => {
        expect(wrap(words.join(' '), 20).join(' ')).toBe(words.join(' '));
      }),
    );
  });

  it('leaves out optional columns where the terminal is narrow, and empty ones always', () => {
    const columns = [{ title: 'NAME' }, { title: 'EMPTY' }, { title: 'DETAIL', optional: 1 }, { title: 'URL' }];
    const rows = [['web', '', 'x'.repeat(20), 'http://127.0.0.1:8080/']];
    expect(table(PLAIN, columns, rows)[0]).toMatch(/^NAME +DETAIL +URL$/);
    expect(table({ ...PLAIN, width: 40 }, columns, rows)[0]).toMatch(/^NAME +URL$/);
    expect(table({ ...PLAIN, width: 40 }, columns, rows)[1]).toBe('web   http://127.0.0.1:8080/');
  });
});
