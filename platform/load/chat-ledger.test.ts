import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RoomLedger, type Received } from './chat-ledger.ts';

const message = (seq: number): Received => ({ seq, id: `id-${seq}`, author: 'ann', text: `text ${seq}` });

/** A room in which `count` messages were said and acknowledged. */
function room(count: number): RoomLedger {
  const ledger = new RoomLedger();
  for (let seq = 1; seq <= count; seq += 1) {
    ledger.saying(`id-${seq}`, 'ann', `text ${seq}`);
    expect(ledger.acknowledged(`id-${seq}`, seq)).toBeNull();
  }
  return ledger;
}

describe('the ledger of a chat room', () => {
  test('finds nothing when every member sees every message once and in order', () => {
    const ledger = room(5);
    for (const name of ['ann', 'bob']) {
      const member = ledger.member(name, 0);
      for (let seq = 1; seq <= 5; seq += 1) expect(member.receive(message(seq))).toBeNull();
    }
    expect(ledger.missing()).toEqual([]);
    expect(ledger.settled).toBe(true);
  });

  test('finds a message that was lost at the end', () => {
    const ledger = room(3);
    const member = ledger.member('bob', 0);
    member.receive(message(1));
    member.receive(message(2));
    expect(ledger.missing()).toEqual([{ member: 'bob', seq: 3 }]);
  });

  test('finds a message that was lost in the middle, at once and at the end', () => {
    const ledger = room(3);
    const member = ledger.member('bob', 0);
    member.receive(message(1));
    expect(member.receive(message(3))).toBe('bob saw message 3 instead of 2');
    expect(ledger.missing()).toEqual([{ member: 'bob', seq: 2 }]);
  });

  test('finds two messages that came in the wrong order', () => {
    const ledger = room(2);
    const member = ledger.member('bob', 0);
    expect(member.receive(message(2))).toBe('bob saw message 2 instead of 1');
    expect(member.receive(message(1))).toBe('bob saw message 1 after 2');
    expect(ledger.missing()).toEqual([]);
  });

  test('finds a message that came twice, as after a reconnect from the wrong place', () => {
    const ledger = room(2);
    const member = ledger.member('bob', 0);
    member.receive(message(1));
    member.receive(message(2));
    expect(member.receive(message(2))).toBe('bob saw message 2 twice');
  });

  test.each([
    [{ text: 'another' }, 'message 1 has another text'],
    [{ author: 'eve' }, 'message 1 has another author'],
    [{ id: 'nobody' }, 'message 1 was never said'],
    [{ id: 'id-2', text: 'text 2' }, 'message 2 came as 1'],
  ])('finds that a message is not what was said: %o', (change, problem) => {
    const member = room(2).member('bob', 0);
    expect(member.receive({ ...message(1), ...change })).toBe(problem);
  });

  test('finds two messages with one number, and one message with two', () => {
    const ledger = room(1);
    ledger.saying('id-x', 'ann', 'x');
    expect(ledger.acknowledged('id-x', 1)).toBe('two messages have the number 1');
    expect(ledger.acknowledged('id-1', 2)).toBe('message 1 is acknowledged again as 2');
    expect(ledger.acknowledged('id-y', 3)).toBe('an acknowledgement of a message that nobody said: id-y');
  });

  test('takes an acknowledgement that is repeated for the same message for what it is', () => {
    expect(room(1).acknowledged('id-1', 1)).toBeNull();
  });

  test('finds that the history lacks an acknowledged message, and that it has its order wrong', () => {
    const ledger = room(3);
    expect(ledger.compareHistory([message(1), message(2)])).toEqual({ problems: [], missing: [3] });
    expect(ledger.compareHistory([message(2), message(1), message(3)]).problems).toHaveLength(2);
  });

  test('holds a member to what came after he joined', () => {
    const ledger = room(3);
    const member = ledger.member('late', 2);
    expect(member.receive(message(3))).toBeNull();
    expect(ledger.missing()).toEqual([]);
  });

  test('finds every way in which what is seen is not 1, 2, 3… to the end', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 9 }), (seen) => {
        const ledger = room(6);
        const member = ledger.member('bob', 0);
        const problems = seen.map((seq) => member.receive(message(seq))).filter((problem) => problem !== null);
        const right = seen.every((seq, index) => seq === index + 1);
        expect(problems.length === 0).toBe(right);
        expect(ledger.missing()).toHaveLength(6 - new Set(seen).size);
      }),
    );
  });
});
