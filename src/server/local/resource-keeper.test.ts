import { describe, expect, test, vi } from 'vitest';
import type { ResourceDriver } from '../../drivers/resource/resource.ts';
import { keepResource } from './resource-keeper.ts';

/** A resource whose process can be ended, and whose start can fail. */
function resource(): ResourceDriver & { running: boolean; failures: number; starts: number } {
  const unused = (): never => {
    throw new Error('not used here');
  };
  const self = {
    running: true,
    failures: 0,
    starts: 0,
    start: async () => {
      self.starts += 1;
      if (self.failures > 0) {
        self.failures -= 1;
        throw new Error('no room on the disk');
      }
      self.running = true;
    },
    status: async () => ({
      state: self.running ? ('ready' as const) : ('stopped' as const),
      address: '127.0.0.1:1',
      pid: null,
      version: null,
      reason: null,
    }),
    connection: unused,
    migrations: null,
    stop: unused,
  };
  return self;
}

describe('a kept resource', () => {
  test('is started again when its process is gone, however often that fails, which is said once', async () => {
    const driver = resource();
    const lines: string[] = [];
    const stop = keepResource({ name: 'dev: resource db', driver, log: (line) => lines.push(line), everyMs: 5 });
    driver.failures = 2;
    driver.running = false;

    await vi.waitFor(() => expect(driver.running).toBe(true));
    await stop();

    expect(driver.starts).toBe(3);
    expect(lines.filter((line) => line.includes('cannot be started again: no room on the disk'))).toHaveLength(1);
    expect(lines.at(-1)).toBe('dev: resource db runs again');
  });

  test('is left alone while it runs, and after the keeper was stopped', async () => {
    const driver = resource();
    const stop = keepResource({ name: 'dev: resource db', driver, log: () => undefined, everyMs: 1 });
    const looks = vi.spyOn(driver, 'status');
    await vi.waitFor(() => expect(looks.mock.calls.length).toBeGreaterThan(3));
    await stop();
    driver.running = false;
    const before = looks.mock.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 20));

    expect([driver.starts, looks.mock.calls.length]).toEqual([0, before]);
  });
});
