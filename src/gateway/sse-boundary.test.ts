import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventBoundaryScanner } from './sse-boundary.ts';

const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
const line = fc.constantFrom('data: x', 'event: tick', ': comment', 'id: 1', 'data:');
/** An event with one kind of line end; a CR alone is followed by text, or it would be half of a CRLF. */
const event = fc
  .tuple(fc.array(line, { minLength: 1, maxLength: 3 }), lineEnd)
  .map(([lines, end]) => lines.map((text) => text + end).join('') + end);

describe('an event boundary scanner', () => {
  it('is at a boundary exactly behind each event, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 8 }), (events, places) => {
        const bytes = Buffer.from(events.join(''));
        const ends = new Set<number>([0]);
        let end = 0;
        for (const text of events) {
          end += text.length;
          ends.add(end);
          // Behind the CR of the blank line the event is over, with or without the LF.
          if (text.endsWith('\r\n')) ends.add(end - 1);
        }
        const cuts = [...new Set(places.map((place) => place % (bytes.length + 1))), bytes.length].sort(
          (a, b) => a - b,
        );
        const scanner = new EventBoundaryScanner();
        let from = 0;
        for (const to of cuts) {
          scanner.push(bytes.subarray(from, to));
          from = to;
          expect(scanner.atBoundary).toBe(ends.has(to));
        }
      }),
    );
  });

  it('says where the first event of a chunk ends', () => {
    const scanner = new EventBoundaryScanner();
    scanner.push(Buffer.from('data: a'));
    expect(scanner.pushToBoundary(Buffer.from('bc\r\n'))).toBe(-1);
    expect(scanner.pushToBoundary(Buffer.from('\r\ndata: next'))).toBe(2);
  });
});
