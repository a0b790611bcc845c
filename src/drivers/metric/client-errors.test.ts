import { describe, expect, it } from 'vitest';
import type { ArmSecond, TrafficSecond } from '../../core/traffic.ts';
import { withClientErrors } from './client-errors.ts';

const arm = (requests: number, clientErrors: number): ArmSecond => ({
  requests,
  clientErrors,
  serverErrors: 0,
  gatewayErrors: 0,
  latency: [],
});
const second: TrafficSecond = { service: 'web', second: 7, arms: { stable: arm(90, 3), candidate: arm(0, 0) } };
const share = { name: 'refused', kind: 'share', weight: 0.2, delta: 0.5 } as const;
const limit = { name: 'mistakes', kind: 'limit', min: null, max: 0.1, times: 3 } as const;
const sources = { refused: { kind: 'client-errors' }, mistakes: { kind: 'client-errors' } } as const;

describe('client errors', () => {
  it('are counted out of the requests of the same second', () => {
    expect(withClientErrors({ metrics: [share], sources }, second).samples).toEqual([
      { metric: 'refused', arms: { stable: { events: 3, total: 90 }, candidate: { events: 0, total: 0 } } },
    ]);
  });

  it('with limits are a share, which no requests have none of', () => {
    const [sample] = withClientErrors({ metrics: [limit], sources }, second).samples ?? [];
    expect(sample?.arms.stable?.events).toBeCloseTo(1 / 30);
    expect(sample?.arms.candidate).toBeNull();
  });

  it('stand beside what other metrics say, and change nothing where nobody asked for them', () => {
    const samples = [{ metric: 'other', arms: { stable: null, candidate: null } }];
    expect(withClientErrors({ metrics: [share], sources }, { ...second, samples }).samples).toHaveLength(2);
    expect(withClientErrors({ metrics: [share], sources: {} }, second)).toBe(second);
  });
});
