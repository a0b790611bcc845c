import { describe, expect, it } from 'vitest';
import { AcknowledgedSet } from './acknowledged.ts';
import { Tally } from './tally.ts';

function tallyAt() {
  const clock = { nowMs: 0, monotonicMs: () => clock.nowMs, wallMs: () => 1_000_000 + clock.nowMs };
  return { clock, tally: new Tally(clock) };
}

describe('the tally', () => {
  it('counts answers of each release in the second in which they came', () => {
    const { clock, tally } = tallyAt();
    tally.answered('echo', { release: 'rel_1', name: 'web v1' }, 5);
    clock.nowMs = 2500;
    tally.answered('echo', { release: 'rel_2', name: 'web v2' }, 5);
    tally.lost('echo', 'reset', null, 'gone');
    expect(tally.seconds()).toEqual([
      { second: 0, answers: { rel_1: 1 }, lost: 0, wrong: 0, failedByRelease: 0 },
      { second: 1, answers: {}, lost: 0, wrong: 0, failedByRelease: 0 },
      { second: 2, answers: { rel_2: 1 }, lost: 1, wrong: 0, failedByRelease: 0 },
    ]);
    expect(tally.lastSecond()?.second).toBe(1);
  });

  it('keeps the first 20 incidents with when, what and who, and counts the rest', () => {
    const { clock, tally } = tallyAt();
    clock.nowMs = 1234.4;
    for (let n = 0; n < 50; n += 1) tally.lost('upload', 'cut-short', 'rel_1', `number ${n}`);
    expect(tally.counts().lost).toBe(50);
    expect(tally.common().lostByKind).toEqual({ 'cut-short': 50 });
    const { lostDetails } = tally.details();
    expect(lostDetails).toHaveLength(20);
    expect(lostDetails[0]).toEqual({
      time: 1_001_234.4,
      sinceStartMs: 1234,
      operation: 'upload',
      kind: 'cut-short',
      release: 'rel_1',
      detail: 'number 0',
    });
  });

  it('puts releases after the 64th together, so that memory is bounded', () => {
    const { tally } = tallyAt();
    for (let n = 0; n < 70; n += 1) tally.answered('echo', { release: `rel_${n}`, name: null }, 1);
    expect(Object.keys(tally.common().releases)).toHaveLength(65);
    expect(tally.common().releases['other']?.answers).toBe(6);
    expect(Object.keys(tally.seconds()[0]?.answers ?? {})).toHaveLength(65);
  });
});

describe('the set of acknowledged messages', () => {
  it('has what was added, once, however far apart', () => {
    const set = new AcknowledgedSet();
    for (const seq of [0, 7, 8, 7, 100_000]) set.add(seq);
    expect(set.size).toBe(4);
    expect([0, 7, 8, 100_000].every((seq) => set.has(seq))).toBe(true);
    expect([1, 9, 99_999, 1_000_000].some((seq) => set.has(seq))).toBe(false);
  });
});
