import { describe, expect, it } from 'vitest';
import { bucketOf } from '../../src/core/analysis/histogram.ts';
import type { ArmSecond } from '../../src/core/traffic.ts';
import { ArgoRollouts, Flagger, type Peer } from './peers.ts';

const second = (requests: number, errors: number, latencyMs?: number): ArmSecond => ({
  requests,
  serverErrors: errors,
  gatewayErrors: 0,
  clientErrors: 0,
  latency: latencyMs === undefined ? [] : [[bucketOf(latencyMs), requests]],
});

/** Seconds until the candidate is taken back; null when an hour passes. */
function takenBackAfter(peer: Peer, at: (second: number) => ArmSecond): number | null {
  for (let passed = 0; passed < 3_600; passed += 1) if (peer.observe(at(passed))) return passed + 1;
  return null;
}

describe('Flagger', () => {
  it('given every minute fails, takes back after interval times threshold', () => {
    expect(takenBackAfter(new Flagger(), () => second(5, 1))).toBe(300);
  });

  it('given exactly 99 %, lets it pass', () => {
    expect(takenBackAfter(new Flagger(), () => second(100, 1))).toBeNull();
  });

  it('given good minutes between the bad ones, counts on', () => {
    const at = (passed: number): ArmSecond => second(5, Math.floor(passed / 60) % 2 === 0 ? 1 : 0);
    expect(takenBackAfter(new Flagger(), at)).toBe(540);
  });

  it('given no traffic, counts failed checks', () => {
    expect(takenBackAfter(new Flagger(), () => second(0, 0))).toBe(300);
  });

  it('given a p99 above 500 ms, takes back', () => {
    expect(takenBackAfter(new Flagger(), () => second(5, 0, 600))).toBe(300);
    expect(takenBackAfter(new Flagger(), () => second(5, 0, 400))).toBeNull();
  });
});

describe('Argo Rollouts', () => {
  it('given every minute fails, takes back with the fourth failure', () => {
    expect(takenBackAfter(new ArgoRollouts(), () => second(5, 1))).toBe(240);
  });

  it('given exactly 99 %, lets it pass', () => {
    expect(takenBackAfter(new ArgoRollouts(), () => second(100, 1))).toBeNull();
  });

  it('given no request ever, ends with the fifth error in a row, the first one at once', () => {
    expect(takenBackAfter(new ArgoRollouts(), () => second(0, 0))).toBe(240);
  });

  it('given a request and then none, counts the minutes without as failures', () => {
    expect(takenBackAfter(new ArgoRollouts(), (passed) => second(passed === 0 ? 1 : 0, 0))).toBe(300);
  });

  it('given failures of either metric, does not add them up', () => {
    const at = (passed: number): ArmSecond => {
      const minute = Math.floor(passed / 60);
      if (minute >= 6) return second(5, 0, 100);
      return minute % 2 === 0 ? second(5, 1, 100) : second(5, 0, 600);
    };
    expect(takenBackAfter(new ArgoRollouts(), at)).toBeNull();
  });
});
