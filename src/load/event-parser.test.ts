import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventParser } from './event-parser.ts';

describe('an event stream', () => {
  it('is between events only after a blank line', () => {
    const parser = new EventParser();
    expect(parser.betweenEvents).toBe(true);
    for (const piece of ['i', 'd: 1', '\n', 'data: {"n":1}', '\n']) {
      expect(parser.push(piece)).toEqual([]);
      expect(parser.betweenEvents, JSON.stringify(piece)).toBe(false);
    }
    expect(parser.push('\n')).toEqual([{ id: '1', data: '{"n":1}' }]);
    expect(parser.betweenEvents).toBe(true);
  });

  it('takes comments, data of several lines and every kind of line end', () => {
    expect(new EventParser().push(': keep alive\n\nid:7\r\ndata: a\r\ndata:b\r\n\r\ndata: c\r\r')).toEqual([
      { id: '7', data: 'a\nb' },
      { id: null, data: 'c' },
    ]);
  });

  it('may end after a comment, not within one', () => {
    const parser = new EventParser();
    parser.push(': keep');
    expect(parser.betweenEvents).toBe(false);
    parser.push(' alive\n');
    expect(parser.betweenEvents).toBe(true);
  });

  it('reads the same however it is cut into pieces', () => {
    const text = 'id: 1\r\ndata: {"n":1}\r\n\r\n: ping\n\nid: 2\ndata: x\n\nid: 3\rdata: y\r\r';
    const whole = new EventParser().push(text);
    expect(whole).toHaveLength(3);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: text.length })), (cuts) => {
        const parser = new EventParser();
        const edges = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const events = edges.flatMap((edge, index) => [...parser.push(text.slice(edge, edges[index + 1] ?? edge))]);
        expect(events).toEqual(whole);
        expect(parser.betweenEvents).toBe(true);
      }),
    );
  });
});
