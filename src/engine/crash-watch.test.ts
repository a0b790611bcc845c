import { describe, expect, it } from 'vitest';
import type { ReleaseId } from '../core/release/release.ts';
import type { InstanceState, SlotStatus } from '../drivers/runtime/runtime.ts';
import { CrashWatch } from './crash-watch.ts';

/** A slot of instances `a`, `b`, …: how each is, and how often it has been started again. */
const slot = (...instances: readonly (readonly [state: InstanceState, restarts: number])[]): SlotStatus => ({
  ref: { environment: 'staging', service: 'api', slot: 'green' },
  release: 'rel_1' as ReleaseId,
  wanted: instances.length,
  instances: instances.map(([state, restarts], index) => ({
    id: 'abc'.charAt(index),
    state,
    address: { host: '127.0.0.1', port: 4000 + index },
    pid: 100 + index,
    startedAt: 0,
    restarts,
    reason: restarts > 0 || state === 'backing-off' ? 'exited with status 1 after 20 s' : null,
  })),
});

describe('a candidate that users are on', () => {
  it('is at fault when an instance ends by itself, at once and after it is back', () => {
    const watch = new CrashWatch();
    const stable = slot(['ready', 0]);
    expect(watch.look(stable, slot(['ready', 0], ['ready', 0]))).toBeNull();
    const words = 'under traffic, a exited with status 1 after 20 s';
    expect(watch.look(stable, slot(['backing-off', 0], ['ready', 0]))).toBe(words);
    expect(watch.look(stable, slot(['ready', 1], ['ready', 0]))).toBe(words);
  });

  it('is not blamed for restarts from before users were on it, nor for instances that are still starting', () => {
    const watch = new CrashWatch();
    expect(watch.look(null, slot(['ready', 2], ['starting', 0]))).toBeNull();
    expect(watch.look(null, slot(['ready', 2], ['backing-off', 0]))).toBeNull();
    expect(watch.look(null, slot(['ready', 2], ['ready', 1]))).toBeNull();
  });

  it('is not blamed for becoming unready: that is for its weight', () => {
    const watch = new CrashWatch();
    watch.look(null, slot(['ready', 0]));
    expect(watch.look(null, slot(['unready', 0]))).toBeNull();
  });

  it('is not blamed for what happens to stable as well', () => {
    const watch = new CrashWatch();
    watch.look(slot(['ready', 0]), slot(['ready', 0]));
    expect(watch.look(slot(['backing-off', 0]), slot(['backing-off', 0]))).toBeNull();
    expect(watch.look(slot(['ready', 1]), slot(['ready', 2]))).not.toBeNull();
  });
});
