import { describe, expect, test } from 'vitest';
import { killAtEveryAppend, type Subject } from './kill-at-append.ts';

// `kill -9` of the control plane right before and right after every journal append of a deployment, enumerated.

describe.each(['blue-green', 'canary', 'train'] satisfies Subject[])('a %s deployment', (subject) => {
  test('given a control plane killed at any append, ends right under the next one, and nobody notices', async () => {
    const { appends, runs, loads, seconds } = await killAtEveryAppend({
      subject,
      rate: 25,
      log: (line) => console.log(line),
    });
    const wrongEnds = runs.filter(({ faults }) => faults.length > 0);
    const sum = (of: (load: (typeof loads)[number]) => number): number =>
      loads.reduce((total, load) => total + of(load), 0);
    console.log(
      `${subject}: ${appends} appends, ${runs.length} runs, ${wrongEnds.length} wrong ends; ` +
        `${sum((load) => load.requests)} requests, ${sum((load) => load.lost)} lost, ${sum((load) => load.wrong)} wrong; ` +
        `${seconds.toFixed(0)} s`,
    );
    expect(wrongEnds).toEqual([]);
    // Both sides of each; an append more or less is a slot that was observed once more or less.
    expect(runs.length).toBeGreaterThanOrEqual(2 * (appends - 2));
    expect(runs.map(({ append }) => append.split(' ')[0])).toEqual(
      expect.arrayContaining(['requested', 'admitted', 'effect-done', 'slot-observed', 'analysis', 'committed']),
    );
    for (const load of loads) {
      expect(load.lostDetails).toEqual([]);
      expect(load.wrongDetails).toEqual([]);
      expect(load.requests).toBeGreaterThan(1_000);
    }
  });
});
