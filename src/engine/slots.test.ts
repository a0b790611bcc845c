import { describe, expect, it } from 'vitest';
import type { ReleaseId } from '../core/release/release.ts';
import type { SlotDesire, SlotStatus } from '../drivers/runtime/runtime.ts';
import type { EnvironmentParts, Releases } from './environment.ts';
import { Slots } from './slots.ts';

const V1 = 'rel_v1' as ReleaseId;
const V2 = 'rel_v2' as ReleaseId;
const ref = { environment: 'production', service: 'api', slot: 'green' } as const;
const never = new AbortController().signal;

/** Slots of an environment whose runtime says that green runs three of the first release. */
async function slotsWithLeftovers(): Promise<{ readonly slots: Slots; readonly applied: SlotDesire[] }> {
  const applied: SlotDesire[] = [];
  const running: SlotStatus = { ref, release: V1, wanted: 3, instances: [] };
  const parts = {
    declared: { name: 'production' },
    runtime: {
      subscribe: () => () => undefined,
      observe: async () => [running],
      apply: async (desire: SlotDesire) => void applied.push(desire),
      remove: async () => undefined,
    },
    configuration: { variables: async () => ({}), attachments: async () => ({ folders: [], secrets: [] }) },
  } as unknown as EnvironmentParts;
  const config = { production: { name: 'api', stop: { graceMs: 1 } } };
  const releases = { get: () => ({ config }), unpack: async () => '/releases/v1' } as unknown as Releases;
  const slots = new Slots(parts, releases, () => undefined);
  await slots.refresh(never);
  return { slots, applied };
}

describe('a slot that is made to run a release', () => {
  it('keeps what it runs of it already: one that is stopped could be in the table', async () => {
    const { slots, applied } = await slotsWithLeftovers();
    await slots.apply(V1, 'api', 'green', 2, never);
    expect(applied.map(({ instances }) => instances)).toEqual([3]);
    await slots.apply(V1, 'api', 'green', 4, never);
    expect(applied.at(-1)?.instances).toBe(4);
  });

  it('runs as many as asked for of another release, or after it was emptied', async () => {
    const { slots, applied } = await slotsWithLeftovers();
    await slots.apply(V2, 'api', 'green', 2, never);
    await slots.remove('api', 'green', never);
    await slots.apply(V1, 'api', 'green', 1, never);
    expect(applied.map(({ instances }) => instances)).toEqual([2, 1]);
  });
});
