import { describe, expect, it } from 'vitest';
import { MirrorCounts } from '../../../core/mirror-counts.ts';
import type { TrafficSecond } from '../../../core/traffic.ts';
import { MirroredSeconds, type AskGateway } from './mirrored-seconds.ts';

const nothing = { requests: 0, serverErrors: 0, gatewayErrors: 0, clientErrors: 0, latency: [] };
const plain = (second: number): TrafficSecond => ({
  service: 'web',
  second,
  arms: { stable: nothing, candidate: nothing },
});
const copied = (second: number, pairs: number): TrafficSecond => ({
  ...plain(second),
  mirror: { ...new MirrorCounts().read(), pairs },
});

function gatewayWith(...seconds: TrafficSecond[]): { readonly seconds: TrafficSecond[]; readonly ask: AskGateway } {
  return { seconds, ask: async (after) => seconds.filter(({ second }) => second > after) };
}

const pairs = (seconds: readonly TrafficSecond[]) => seconds.map(({ second, mirror }) => [second, mirror?.pairs ?? 0]);

function mirrored(): MirroredSeconds {
  const seconds = new MirroredSeconds();
  seconds.apply(true, 100);
  return seconds;
}

describe('seconds of a service that is mirrored', () => {
  it('are given with their copies, once both sides have closed them', async () => {
    const [seconds, gateway] = [mirrored(), gatewayWith(copied(100, 3))];
    expect(pairs(await seconds.join([plain(100), plain(101)], 102, gateway.ask))).toEqual([[100, 3]]);
    gateway.seconds.push(copied(101, 4));
    expect(pairs(await seconds.join([plain(100), plain(101)], 102, gateway.ask))).toEqual([
      [100, 3],
      [101, 4],
    ]);
  });

  it('go without their copies when the gateway does not answer for long, and those are in the next one then', async () => {
    const seconds = mirrored();
    const silent: AskGateway = () => Promise.reject(new Error('gone'));
    const closed = Array.from({ length: 10 }, (_, n) => plain(100 + n));
    const first = await seconds.join(closed, 110, silent);
    expect(first.map(({ second }) => second)).toEqual([100, 101, 102, 103, 104, 105]);
    const gateway = gatewayWith(copied(104, 2), copied(106, 1), copied(109, 0));
    const later = await seconds.join(closed, 110, gateway.ask);
    expect(later.slice(0, 6)).toEqual(first);
    expect(pairs(later).slice(6)).toEqual([
      [106, 3],
      [107, 0],
      [108, 0],
      [109, 0],
    ]);
  });

  it('wait for nobody when mirroring has been over for a while', async () => {
    const [seconds, gateway] = [mirrored(), gatewayWith()];
    seconds.apply(false, 200);
    expect(await seconds.join([plain(213)], 214, gateway.ask)).toEqual([]);
    expect(await seconds.join([plain(215)], 216, gateway.ask)).toEqual([plain(215)]);
  });

  it('count each copy once, however often they are asked for', async () => {
    const [seconds, gateway] = [mirrored(), gatewayWith(copied(100, 3), copied(101, 5))];
    const closed = [plain(100), plain(101)];
    const answers = await Promise.all([1, 2, 3].map(() => seconds.join(closed, 102, gateway.ask)));
    for (const answer of answers)
      expect(pairs(answer)).toEqual([
        [100, 3],
        [101, 5],
      ]);
  });
});
