import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LineSplitter, MAX_LINE_BYTES } from './line-splitter.ts';

describe('LineSplitter', () => {
  test('gives the same lines however the bytes arrive, and accounts for every byte', () => {
    const text = fc
      .array(fc.oneof(fc.string({ unit: 'binary' }), fc.constant('\n'), fc.constant('\r\n')))
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.array(fc.nat({ max: 200 })), (content, cuts) => {
        const bytes = Buffer.from(content);
        const whole = new LineSplitter(0);
        const expected = [...whole.push(bytes), ...whole.flush()];
        const pieces = new LineSplitter(0);
        const places = [
          0,
          ...cuts.map((cut) => cut % (bytes.length + 1)).sort((one, other) => one - other),
          bytes.length,
        ];
        const lines = places.slice(1).flatMap((to, index) => pieces.push(bytes.subarray(places[index], to)));
        lines.push(...pieces.flush());
        expect(lines).toEqual(expected);
        expect(pieces.end).toBe(bytes.length);
        const plain = content.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
        if (content.endsWith('\n') || content === '') plain.pop();
        expect(lines.map((line) => line.text)).toEqual(plain.map((line) => Buffer.from(line).toString('utf8')));
      }),
    );
  });

  test('a line over 64 KiB becomes several, never cut inside a character', () => {
    const splitter = new LineSplitter(0);
    const content = 'é€🎉'.repeat(20_000);
    const lines = splitter.push(Buffer.from(`a${content}\nnext\n`));
    expect(
      lines
        .map((line) => line.text)
        .join('|')
        .replaceAll('|', ''),
    ).toBe(`a${content}next`);
    expect(lines.every((line) => Buffer.byteLength(line.text) <= MAX_LINE_BYTES)).toBe(true);
    expect(lines.at(-1)?.text).toBe('next');
    expect(lines.length).toBe(Math.ceil((Buffer.byteLength(content) + 1) / MAX_LINE_BYTES) + 1);
  });

  test('invalid UTF-8 becomes replacement characters, and the place in the stream stays right', () => {
    const splitter = new LineSplitter(100);
    expect(splitter.push(Buffer.from([0x61, 0xff, 0xfe, 0x0a, 0x62]))).toEqual([{ text: 'a\uFFFD\uFFFD', end: 104 }]);
    expect([splitter.end, splitter.position]).toEqual([104, 105]);
    expect(splitter.flush()).toEqual([{ text: 'b', end: 105 }]);
  });
});
