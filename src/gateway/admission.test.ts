import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Admission } from './admission.ts';

const limits = { maxInFlight: 2, maxQueued: 3, maxQueueMs: 100 };

/** Full inside, with these waiting since 0. */
function full(...items: string[]): Admission<string> {
  const admission = new Admission<string>(limits);
  while (admission.tryEnter());
  for (const item of items) expect(admission.enqueue(item, 0)).toBe(true);
  return admission;
}

describe('admission', () => {
  it('lets so many in, lets so many wait, and refuses the rest', () => {
    const admission = full('a', 'b', 'c');
    expect(admission.tryEnter()).toBe(false);
    expect(admission.enqueue('d', 0)).toBe(false);
    expect([admission.inside, admission.queued]).toEqual([2, 3]);
  });

  it('lets in who has waited longest, one for each that leaves', () => {
    const admission = full('a', 'b');
    expect([admission.leave(10), admission.leave(10), admission.leave(10)]).toEqual(['a', 'b', null]);
    expect([admission.inside, admission.queued]).toEqual([1, 0]);
  });

  it('lets in who came last while waiting takes long, because he is still there', () => {
    const admission = full('a', 'b');
    expect(admission.enqueue('c', 45)).toBe(true);
    expect(admission.leave(50)).toBe('c');
    expect(admission.leave(50)).toBe('b');
    expect(admission.leave(50)).toBe('a');
  });

  it('gives up on those who have waited too long', () => {
    const admission = full('a', 'b');
    admission.enqueue('c', 30);
    expect(admission.expire(99)).toEqual([]);
    expect(admission.expire(100)).toEqual(['a', 'b']);
    expect([admission.inside, admission.queued]).toEqual([2, 1]);
    expect(admission.leave(100)).toBe('c');
  });

  it('never lets one in whose time is over, and is not blocked by him', () => {
    const admission = full('a');
    expect(admission.leave(100)).toBeNull();
    expect(admission.tryEnter()).toBe(true);
    expect(admission.expire(100)).toEqual(['a']);
  });

  it('forgets a client who has gone', () => {
    const admission = full('a', 'b', 'c');
    expect([admission.forget('b'), admission.forget('b'), admission.forget('x')]).toEqual([true, false, false]);
    expect([admission.leave(0), admission.leave(0), admission.leave(0)]).toEqual(['a', 'c', null]);
  });

  it('lets nobody wait twice', () => {
    const admission = full('a');
    expect(admission.enqueue('a', 0)).toBe(false);
    expect(admission.queued).toBe(1);
  });
});

describe('admission, whatever happens', () => {
  const event = fc.oneof(
    fc.record({ kind: fc.constant('arrive' as const), gapMs: fc.nat(60) }),
    fc.record({ kind: fc.constant('leave' as const), gapMs: fc.nat(60) }),
    fc.record({ kind: fc.constant('expire' as const), gapMs: fc.nat(60) }),
    fc.record({ kind: fc.constant('forget' as const), gapMs: fc.nat(60), place: fc.nat(4) }),
  );

  it('keeps its limits, loses nobody, and lets nobody wait while there is room', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), (events) => {
        const admission = new Admission<number>(limits);
        const waiting = new Map<number, number>();
        let inside = 0;
        let now = 0;
        let next = 0;
        for (const step of events) {
          now += step.gapMs;
          if (step.kind === 'arrive') {
            const entered = admission.tryEnter();
            expect(entered).toBe(inside < limits.maxInFlight);
            if (entered) inside += 1;
            else if (admission.enqueue(next, now)) waiting.set(next, now);
            else expect(waiting.size).toBe(limits.maxQueued);
            next += 1;
          } else if (step.kind === 'leave' && inside > 0) {
            inside -= 1;
            const admitted = admission.leave(now);
            if (admitted === null) {
              for (const since of waiting.values()) expect(now - since).toBeGreaterThanOrEqual(limits.maxQueueMs);
            } else {
              expect(now - (waiting.get(admitted) ?? now)).toBeLessThan(limits.maxQueueMs);
              expect(waiting.delete(admitted)).toBe(true);
              inside += 1;
            }
          } else if (step.kind === 'expire') {
            const late = [...waiting].filter(([, since]) => now - since >= limits.maxQueueMs).map(([item]) => item);
            expect(admission.expire(now)).toEqual(late);
            for (const item of late) waiting.delete(item);
          } else if (step.kind === 'forget') {
            const item = [...waiting.keys()][step.place];
            if (item !== undefined) expect(admission.forget(item)).toBe(waiting.delete(item));
          }
          expect([admission.inside, admission.queued]).toEqual([inside, waiting.size]);
          expect(inside).toBeLessThanOrEqual(limits.maxInFlight);
        }
      }),
    );
  });
});
