import { describe, expect, it } from 'vitest';
import { steadyTime } from './clock.ts';

function timeOf(): { readonly now: () => number; wall: number; monotonic: number } {
  const clocks = { wall: 1_000_000, monotonic: 5, now: () => 0 };
  clocks.now = steadyTime(
    () => clocks.wall,
    () => clocks.monotonic,
  );
  return clocks;
}

describe('the time that waits are reckoned in', () => {
  it('is the time of the machine, in whole milliseconds', () => {
    const time = timeOf();
    expect(time.now()).toBe(1_000_000);
    time.wall += 250.4;
    time.monotonic += 250.4;
    expect(time.now()).toBe(1_000_250);
  });

  it('goes on at its pace while the clock of the machine is set back', () => {
    const time = timeOf();
    time.now();
    time.wall -= 600_000;
    time.monotonic += 1_000;
    expect(time.now()).toBe(1_001_000);
  });

  it('follows a clock that is set ahead, as after a sleep', () => {
    const time = timeOf();
    time.now();
    time.wall += 600_000;
    expect(time.now()).toBe(1_600_000);
    time.wall += 40;
    time.monotonic += 40;
    expect(time.now()).toBe(1_600_040);
  });
});
