import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseEventStream, type ServerSentEvent } from './sse-parser.ts';

const TEXT =
  ':\n\nevent: item\nid: 7\ndata: {"a":"ž €"}\n\n: beat\nevent:item\r\ndata: one\r\ndata: two\r\n\r\ndata: plain\n\nevent: unfinished\n';
const EXPECTED: readonly ServerSentEvent[] = [
  { event: 'item', id: '7', data: '{"a":"ž €"}' },
  { event: 'item', id: null, data: 'one\ntwo' },
  { event: 'message', id: null, data: 'plain' },
];

async function parse(pieces: readonly Uint8Array[]): Promise<readonly ServerSentEvent[]> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield* pieces;
  }
  const events: ServerSentEvent[] = [];
  for await (const event of parseEventStream(chunks())) events.push(event);
  return events;
}

describe('an event stream', () => {
  it('is read the same whatever pieces it arrives in, split characters and line ends included', async () => {
    const bytes = new TextEncoder().encode(TEXT);
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 0, max: bytes.length })), async (cuts) => {
        const ends = [...cuts.sort((a, b) => a - b), bytes.length];
        let from = 0;
        const pieces = ends.map((to) => {
          const piece = bytes.subarray(from, to);
          from = to;
          return piece;
        });
        expect(await parse(pieces)).toEqual(EXPECTED);
      }),
    );
  });
});
