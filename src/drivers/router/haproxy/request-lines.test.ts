import { describe, expect, it } from 'vitest';
import { RequestLines } from './request-lines.ts';

const line = (atSecond: number, number: number): string =>
  `V1 ${atSecond}000000 ${atSecond}000000 - web stable 200 -- i - - web.blue a ${number} - - - -`;

function counting(seen: readonly (readonly [string, number])[] = []) {
  const counted: number[] = [];
  return { counted, lines: new RequestLines(({ second }) => counted.push(second), seen) };
}

describe('lines of which each comes twice', () => {
  it('are counted once, whichever is there, in whatever order', () => {
    const { counted, lines } = counting();
    for (const text of [line(1, 1), line(2, 2), line(1, 1), line(3, 3), line(2, 2), line(4, 4)]) lines.read(text);
    expect(counted).toEqual([1, 2, 3, 4]);
  });

  it('of requests that ended at the same time are told apart', () => {
    const { counted, lines } = counting();
    for (const text of [line(1, 1), line(1, 2), line(1, 2), line(1, 1)]) lines.read(text);
    expect(counted).toEqual([1, 1]);
  });

  it('are counted once also when the second is read after a restart', () => {
    const before = counting();
    before.lines.read(line(1, 1));
    const after = counting(JSON.parse(JSON.stringify(before.lines.store())));
    for (const text of [line(1, 1), line(2, 2)]) after.lines.read(text);
    expect(after.counted).toEqual([2]);
  });

  it('are forgotten a minute after the other one was dropped', () => {
    const { lines } = counting();
    lines.read(line(100, 1));
    for (let second = 101; second < 400; second += 1) lines.read(line(second, second));
    expect(lines.store().length).toBeLessThanOrEqual(62);
  });

  it('say the beginning of a stream once each, though two may be alike', () => {
    const { counted, lines } = counting();
    const stream = 'V1S 1000000 1000000 web stable 101 - - - - -';
    lines.read(stream);
    lines.read(stream);
    expect(counted).toEqual([1, 1]);
  });
});
