import { describe, expect, it } from 'vitest';
import type { ArmSecond, TrafficSecond } from '../../core/traffic.ts';
import { Outbox } from './outbox.ts';

const nothing: ArmSecond = { requests: 0, serverErrors: 0, gatewayErrors: 0, clientErrors: 0, latency: [] };
const second = (number: number): TrafficSecond => ({
  service: 'web',
  second: number,
  arms: { stable: nothing, candidate: nothing },
});

describe('counts on their way to the supervisor', () => {
  it('are sent again until they are taken', () => {
    const outbox = new Outbox(100);
    outbox.add([second(100)]);
    outbox.add([second(101)]);
    expect(outbox.isEmpty).toBe(false);
    expect(outbox.after(-1).map(({ report }) => report)).toEqual([0, 1]);
    outbox.taken(1);
    expect(outbox.isEmpty).toBe(true);
    expect(outbox.after(1)).toEqual([]);
  });

  it('are kept for a minute for a supervisor that knows nothing of them, and no longer', () => {
    const outbox = new Outbox(0);
    for (let n = 0; n < 600; n += 1) outbox.taken(outbox.add([second(n)]).report);
    const kept = outbox.after(-1);
    expect(kept).toHaveLength(60);
    expect(kept.at(-1)?.seconds).toEqual([second(599)]);
    expect(outbox.countedTo).toBe(539);
  });

  it('are all kept while nobody takes them', () => {
    const outbox = new Outbox(0);
    for (let n = 0; n < 200; n += 1) outbox.add([second(n)]);
    expect(outbox.after(-1)).toHaveLength(200);
    expect(outbox.countedTo).toBe(-1);
  });

  it('say that all from the start on is to come when nothing was counted yet', () => {
    expect(new Outbox(100).countedTo).toBe(99);
  });
});
