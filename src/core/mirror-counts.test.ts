import { describe, expect, it } from 'vitest';
import { bucketOf } from './analysis/histogram.ts';
import { addMirrors, compareAnswers, MirrorCounts, type MirroredAnswer } from './mirror-counts.ts';

const answer = (status: number, bytes: number | null = 1_000): MirroredAnswer => ({ status, latencyMs: 5, bytes });
const same = { status: false, size: false, shape: false };

describe('two answers to the same request', () => {
  it.each([
    [200, 204, false],
    [200, 404, true],
    [404, 403, false],
    [301, 200, true],
    [304, 200, false],
    [304, 301, true],
    [500, 0, false],
    [200, 0, true],
    [0, 0, false],
  ])('of status %i and %i are of another class: %s', (stable, candidate, differs) => {
    expect(compareAnswers(answer(stable), answer(candidate), null).status).toBe(differs);
  });

  it.each([
    [1_000, 1_100, false],
    [1_000, 1_112, true],
    [100, 164, false],
    [100, 165, true],
    [1_000_000, 899_000, true],
    [1_000, null, false],
  ])('of %i and %s bytes are of another size: %s', (stable, candidate, differs) => {
    expect(compareAnswers(answer(200, stable), answer(200, candidate), null).size).toBe(differs);
  });

  it('differ in one way only when their class is another one, and 304 has no size to compare', () => {
    expect(compareAnswers(answer(200, 10), answer(500, 9_000), false)).toEqual({ ...same, status: true });
    expect(compareAnswers(answer(304, 0), answer(200, 9_000), null)).toEqual(same);
    expect(compareAnswers(answer(200), answer(200), false)).toEqual({ ...same, shape: true });
    expect(compareAnswers(answer(200), answer(200), true)).toEqual(same);
  });
});

describe('copies of a second', () => {
  it('are counted by what became of them, the worst routes first', () => {
    const counts = new MirrorCounts();
    counts.pair('GET /good', answer(200), answer(200), same);
    counts.pair('GET /bad', answer(200), answer(500), { ...same, status: true });
    counts.pair('GET /bad', answer(0), answer(0), same);
    counts.skip();
    expect(counts.read()).toEqual({
      pairs: 3,
      skipped: 1,
      stableErrors: 1,
      candidateErrors: 2,
      statusDiffers: 1,
      sizeDiffers: 0,
      shapeDiffers: 0,
      latency: { stable: [[bucketOf(5), 3]], candidate: [[bucketOf(5), 3]] },
      routes: [
        { route: 'GET /bad', pairs: 2, different: 1 },
        { route: 'GET /good', pairs: 1, different: 0 },
      ],
    });
  });

  it('add up, with 20 routes at most', () => {
    const [one, two] = [new MirrorCounts(), new MirrorCounts()];
    for (let n = 0; n < 30; n += 1) one.pair(`GET /r${n}`, answer(200), answer(200), same);
    two.pair('GET /r29', answer(200), answer(200), { ...same, size: true });
    two.skip();
    const sum = addMirrors(one.read(), two.read());
    expect(sum).toMatchObject({ pairs: 31, skipped: 1, sizeDiffers: 1 });
    expect(sum.routes).toHaveLength(20);
    expect(sum.routes[0]).toMatchObject({ route: 'GET /r29', different: 1 });
    expect(sum.latency.stable).toEqual([[bucketOf(5), 31]]);
  });
});
