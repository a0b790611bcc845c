import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ChatMessage } from './frames.ts';
import { earliest, EMPTY_ROOM, joined, prepended, received, withPending, withPresence } from './room-view.ts';

const message = (seq: number): ChatMessage => ({
  room: 'r',
  seq,
  id: `m${seq}`,
  author: 'a',
  name: 'A',
  text: `${seq}`,
  at: '2026-01-01T00:00:00.000Z',
});
const seqs = (messages: readonly ChatMessage[]): number[] => messages.map(({ seq }) => seq);

describe('a room as a page knows it', () => {
  test('has every message once, in order and without a gap, however they come', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 60 }), (last, order) => {
        let view = joined(EMPTY_ROOM, last, []);
        for (const seq of order) {
          const next = received(view, message(seq));
          if (next === null) expect(seq).toBeGreaterThan((view.last ?? 0) + 1);
          else view = next;
        }
        view = prepended(
          view,
          Array.from({ length: last }, (_, index) => message(index + 1)),
        );
        const found = seqs(view.messages);
        expect(found).toEqual(Array.from({ length: found.length }, (_, index) => index + 1));
        expect(view.last).toBe(Math.max(last, found.at(-1) ?? 0));
      }),
    );
  });

  test('takes no earlier messages that do not join on', () => {
    const view = joined(EMPTY_ROOM, 10, []);
    expect(seqs(prepended(view, [message(7), message(9), message(10)]).messages)).toEqual([9, 10]);
    expect(earliest(view)).toBe(11);
  });

  test('keeps what is being said until it is seen among the messages', () => {
    const saying = withPending(joined(EMPTY_ROOM, 0, []), { id: 'm1', text: '1', refused: null });
    expect(saying.pending).toHaveLength(1);
    expect(received(saying, message(1))?.pending).toEqual([]);
    const missed = withPending(joined(EMPTY_ROOM, 1, []), { id: 'm1', text: '1', refused: null });
    expect(prepended(missed, [message(1)]).pending).toEqual([]);
  });

  test('goes on from what it has after it was joined again', () => {
    const view = received(joined(EMPTY_ROOM, 3, ['a']), message(4));
    expect(view === null ? null : joined(view, 9, ['b'])).toMatchObject({ last: 4, present: ['b'] });
  });

  test('knows who is there', () => {
    const view = joined(EMPTY_ROOM, 0, ['a']);
    expect(withPresence(withPresence(view, 'b', true), 'b', true).present).toEqual(['a', 'b']);
    expect(withPresence(view, 'a', false).present).toEqual([]);
  });
});
