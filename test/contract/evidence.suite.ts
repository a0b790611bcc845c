import { describe, expect, it } from 'vitest';
import type { EvidenceHead, EvidenceSecond } from '../../src/core/analysis/evidence-record.ts';
import { settingsOf } from '../../src/core/analysis/settings.ts';
import { minuteOf } from '../../src/core/analysis/traffic-minute.ts';
import type { Percent, DurationMs } from '../../src/core/units/quantities.ts';
import type { ArmSecond } from '../../src/core/traffic.ts';
import type { EvidenceStore, ServiceMinute } from '../../src/store/evidence-store.ts';

/** Storage that evidence can be closed on and opened again; `survives` is false for one that forgets. */
export interface EvidenceStorage {
  open(): EvidenceStore;
  dispose(): void;
  readonly survives: boolean;
}

export const armSecond = (requests: number, errors = 0): ArmSecond => ({
  requests,
  serverErrors: errors,
  gatewayErrors: 0,
  clientErrors: 1,
  latency: requests === 0 ? [] : [[100, requests]],
});

export const evidenceHead = (over: Partial<EvidenceHead> = {}): EvidenceHead => ({
  deployment: 'dep_1',
  leg: 0,
  environment: 'production',
  service: 'api',
  stable: 'rel_1',
  candidate: 'rel_2',
  settings: {
    analysis: settingsOf('balanced'),
    limits: { minSuccessPercent: 99 as Percent, maxP99Ms: 500 as DurationMs, minRequests: 1_000 },
  },
  past: [minuteOf(100, [armSecond(10)])],
  ...over,
});

export const evidenceSecond = (second: number, weight = 5): EvidenceSecond => ({
  traffic: {
    service: 'api',
    second,
    arms: { stable: armSecond(95, 1), candidate: armSecond(5) },
    samples: [{ metric: 'sign-ups', arms: { stable: { events: 3, total: null }, candidate: null } }],
  },
  weight,
  phase: 'stepping',
  step: 0,
});

const minuteAt = (minute: number): ServiceMinute => minuteOf(minute, [armSecond(minute)]);
const seconds = (from: number, count: number): EvidenceSecond[] =>
  Array.from({ length: count }, (_, index) => evidenceSecond(from + index));

/** What every store of evidence does. */
export function evidenceContract(name: string, storage: () => EvidenceStorage): void {
  function withStore(run: (store: EvidenceStore, reopen: () => EvidenceStore) => void): void {
    const kept = storage();
    let store = kept.open();
    try {
      run(store, () => {
        if (!kept.survives) return store;
        store.close();
        store = kept.open();
        return store;
      });
    } finally {
      store.close();
      kept.dispose();
    }
  }

  describe(`${name}: a store of evidence`, () => {
    it('gives back what was appended, whole and in order, also when opened again', () => {
      withStore((store, reopen) => {
        const head = evidenceHead();
        store.begin(head);
        store.append('dep_1', 0, seconds(6_060, 2));
        store.append('dep_1', 0, seconds(6_062, 1));
        const expected = { ...head, seconds: seconds(6_060, 3) };
        expect(store.read('dep_1', 0)).toEqual(expected);
        expect(reopen().read('dep_1', 0)).toEqual(expected);
      });
    });

    it('has nothing of a leg that was never begun, and takes no seconds for it', () => {
      withStore((store) => {
        store.append('dep_1', 0, seconds(6_060, 2));
        expect(store.read('dep_1', 0)).toBeNull();
        store.begin(evidenceHead());
        expect(store.read('dep_1', 1)).toBeNull();
        expect(store.read('dep_2', 0)).toBeNull();
        expect(store.read('dep_1', 0)?.seconds).toEqual([]);
      });
    });

    it('leaves a record that was begun as it is when it is begun again', () => {
      withStore((store, reopen) => {
        store.begin(evidenceHead());
        store.append('dep_1', 0, seconds(6_060, 1));
        reopen().begin(evidenceHead({ candidate: 'rel_other', past: [] }));
        const record = reopen().read('dep_1', 0);
        expect(record?.candidate).toBe('rel_2');
        expect(record?.past).toHaveLength(1);
        expect(record?.seconds).toHaveLength(1);
      });
    });

    it('never rewrites a second: what is not later than all that is kept is left out', () => {
      withStore((store, reopen) => {
        store.begin(evidenceHead());
        store.append('dep_1', 0, [evidenceSecond(6_061)]);
        store.append('dep_1', 0, [evidenceSecond(6_060), evidenceSecond(6_061, 50), evidenceSecond(6_062)]);
        reopen().append('dep_1', 0, [evidenceSecond(6_062, 50)]);
        const kept = reopen()
          .read('dep_1', 0)
          ?.seconds.map(({ traffic, weight }) => [traffic.second, weight]);
        expect(kept).toEqual([
          [6_061, 5],
          [6_062, 5],
        ]);
      });
    });

    it('keeps legs and deployments apart', () => {
      withStore((store) => {
        store.begin(evidenceHead());
        store.begin(evidenceHead({ leg: 1, service: 'web' }));
        store.begin(evidenceHead({ deployment: 'dep_2' }));
        store.append('dep_1', 1, seconds(6_060, 2));
        store.append('dep_2', 0, seconds(6_060, 3));
        expect(store.read('dep_1', 0)?.seconds).toHaveLength(0);
        expect(store.read('dep_1', 1)?.seconds).toHaveLength(2);
        expect(store.read('dep_1', 1)?.service).toBe('web');
        expect(store.read('dep_2', 0)?.seconds).toHaveLength(3);
      });
    });

    it('keeps minutes of a service, oldest first, the last word of each', () => {
      withStore((store, reopen) => {
        const split = { ...minuteAt(7), stable: minuteAt(3) };
        for (const minute of [minuteAt(9), minuteAt(7), minuteAt(8), split])
          store.keepMinute('production', 'api', minute);
        store.keepMinute('production', 'web', minuteAt(8));
        store.keepMinute('staging', 'api', minuteAt(8));
        expect(store.minutes('production', 'api', 0)).toEqual([split, minuteAt(8), minuteAt(9)]);
        expect(reopen().minutes('production', 'api', 8)).toEqual([minuteAt(8), minuteAt(9)]);
        expect(reopen().minutes('production', 'other', 0)).toEqual([]);
      });
    });

    it('lets go of old minutes and of all but the newest deployments of each environment, step by step', () => {
      withStore((store, reopen) => {
        for (let minute = 0; minute < 1_000; minute += 1) store.keepMinute('production', 'api', minuteAt(minute));
        for (let number = 1; number <= 6; number += 1) {
          for (const leg of [0, 1]) store.begin(evidenceHead({ deployment: `dep_${number}`, leg }));
        }
        store.begin(evidenceHead({ deployment: 'dep_7', environment: 'staging' }));
        store.append('dep_1', 0, seconds(6_060, 3_000));
        store.append('dep_6', 0, seconds(6_060, 10));
        // When it is trimmed often enough
        for (let turn = 0; turn < 30; turn += 1) store.trim(990, 2);
        const left = reopen();
        // Then
        expect(left.minutes('production', 'api', 0).map(({ minute }) => minute)).toEqual(
          Array.from({ length: 10 }, (_, index) => 990 + index),
        );
        const kept = [1, 2, 3, 4, 5, 6, 7].filter((number) => left.read(`dep_${number}`, 0) !== null);
        expect(kept).toEqual([5, 6, 7]);
        expect(left.read('dep_6', 0)?.seconds).toHaveLength(10);
        expect(left.read('dep_5', 1)).not.toBeNull();
      });
    });

    it('gives no half of a record that is being let go of', () => {
      withStore((store) => {
        store.begin(evidenceHead());
        store.append('dep_1', 0, seconds(6_060, 5_000));
        store.begin(evidenceHead({ deployment: 'dep_2' }));
        store.trim(0, 1);
        expect(store.read('dep_1', 0)).toBeNull();
        expect(store.read('dep_2', 0)).not.toBeNull();
      });
    });
  });
}
