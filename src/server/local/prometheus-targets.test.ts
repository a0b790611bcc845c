import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ReleaseId } from '../../core/release/release.ts';
import type { InstanceStatus, SlotStatus } from '../../drivers/runtime/runtime.ts';
import { keepPrometheusTargets, prometheusTargetsFile } from './prometheus-targets.ts';

let folder: string;
let slots: readonly SlotStatus[];
let listeners: Set<(status: SlotStatus) => void>;
let lines: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'veza-targets-'));
  [slots, listeners, lines] = [[], new Set(), []];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const runtime = {
  observe: async () => slots,
  subscribe: (listener: (status: SlotStatus) => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  },
};
const instance = (id: string, port: number, over: Partial<InstanceStatus> = {}): InstanceStatus => ({
  id,
  state: 'ready',
  address: { host: '127.0.0.1', port: port + 1_000 },
  metrics: { host: '127.0.0.1', port },
  pid: 1,
  startedAt: 0,
  restarts: 0,
  reason: null,
  ...over,
});
const slot = (service: string, release: string, instances: readonly InstanceStatus[]): SlotStatus => ({
  ref: { environment: 'staging', service, slot: 'blue' },
  release: release as ReleaseId,
  wanted: instances.length,
  instances,
});
const keep = (): (() => Promise<void>) =>
  keepPrometheusTargets({
    file: prometheusTargetsFile(folder),
    environment: 'staging',
    runtime,
    metricsPath: (release) => (release === 'rel_quiet' ? null : '/metrics'),
    log: (line) => lines.push(line),
  });
const read = (): unknown => JSON.parse(readFileSync(prometheusTargetsFile(folder), 'utf8'));
function change(next: readonly SlotStatus[]): void {
  slots = next;
  for (const listener of listeners) for (const each of next) listener(each);
}

describe('the targets for Prometheus', () => {
  test('are the metrics ports of instances that run, with who they are', async () => {
    slots = [
      slot('api', 'rel_1', [instance('api-2', 21_002), instance('api-1', 21_001)]),
      slot('down', 'rel_1', [instance('down-1', 21_003, { pid: null, state: 'backing-off' })]),
      slot('quiet', 'rel_quiet', [instance('quiet-1', 21_004)]),
    ];
    const end = keep();
    await end();
    const labels = {
      __metrics_path__: '/metrics',
      environment: 'staging',
      service: 'api',
      slot: 'blue',
      release: 'rel_1',
    };
    expect(read()).toEqual([
      { targets: ['127.0.0.1:21001'], labels: { ...labels, instance: 'api-1' } },
      { targets: ['127.0.0.1:21002'], labels: { ...labels, instance: 'api-2' } },
    ]);
    // Port numbers and names of releases are nobody else's business.
    expect(statSync(prometheusTargetsFile(folder)).mode & 0o077).toBe(0);
  });

  test('follow every change, the last one too, and stay when nobody follows any more', async () => {
    const end = keep();
    await vi.waitFor(() => expect(read()).toEqual([]));
    change([slot('api', 'rel_1', [instance('api-1', 21_001)])]);
    await vi.waitFor(() => expect(read()).toHaveLength(1));
    change([slot('api', 'rel_2', [instance('api-3', 21_003)]), slot('web', 'rel_2', [instance('web-1', 21_005)])]);
    await end();
    expect(read()).toMatchObject([{ labels: { instance: 'api-3', release: 'rel_2' } }, { labels: { service: 'web' } }]);
    expect(listeners.size).toBe(0);
  });

  test('that cannot be written are said so once, and written once they can be', async () => {
    rmSync(folder, { recursive: true });
    writeFileSync(folder, 'a file where the folder should be');
    const end = keep();
    await vi.waitFor(() => expect(lines).toHaveLength(1));
    expect(lines[0]).toContain('staging: the targets for Prometheus cannot be written');
    change([slot('api', 'rel_1', [])]);
    await vi.waitFor(() => expect(listeners.size).toBe(1));
    rmSync(folder);
    change([slot('api', 'rel_1', [instance('api-1', 21_001)])]);
    await vi.waitFor(() => expect(read()).toHaveLength(1));
    await end();
    expect(lines).toHaveLength(1);
  });
});
