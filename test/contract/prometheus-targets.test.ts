import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { ReleaseId } from '../../src/core/release/release.ts';
import type { SlotStatus } from '../../src/drivers/runtime/runtime.ts';
import { keepPrometheusTargets, prometheusTargetsFile } from '../../src/server/local/prometheus-targets.ts';
import { freePort } from '../../src/system/free-port.ts';
import { startCountingInstance, type CountingInstance } from './metric-instance.ts';
import { until } from './router-instance.ts';

// A real Prometheus with the configuration of docs/metrics.md finds instances by the file that is kept for it.

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const slotOf = (name: 'blue' | 'green', release: string, { server }: CountingInstance): SlotStatus => ({
  ref: { environment: 'production', service: 'pay', slot: name },
  release: release as ReleaseId,
  wanted: 1,
  instances: [
    {
      id: `pay-${name}-1`,
      state: 'ready',
      address: { host: '127.0.0.1', port: 1 },
      metrics: { host: '127.0.0.1', port: server.port },
      pid: process.pid,
      startedAt: 0,
      restarts: 0,
      reason: null,
    },
  ],
});

test('a real Prometheus tells two releases apart, and follows when one of them is replaced', async () => {
  // Given an instance of stable, and Prometheus as the page says.
  const folder = await mkdtemp(join(tmpdir(), 'veza-prometheus-'));
  ends.push(() => rm(folder, { recursive: true, force: true }));
  const [stable, candidate] = [await startCountingInstance('s1'), await startCountingInstance('c1')];
  ends.push(
    () => stable.server.close(),
    () => candidate.server.close(),
  );
  stable.count(1, 100);
  candidate.count(5, 50);
  const file = prometheusTargetsFile(join(folder, '.veza/environments/production'));
  let slots: readonly SlotStatus[] = [slotOf('blue', 'rel_1', stable)];
  const listeners = new Set<(status: SlotStatus) => void>();
  const end = keepPrometheusTargets({
    file,
    environment: 'production',
    runtime: {
      observe: async () => slots,
      subscribe: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
    metricsPath: () => '/metrics',
    log: (line) => {
      throw new Error(line);
    },
  });
  ends.push(end);
  const page = await readFile(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const written = /```yaml\n(scrape_configs:[\s\S]*?)```/.exec(page)?.[1] ?? '';
  expect(written).toContain('/srv/shop/.veza/environments/production/prometheus-targets.json');
  const config = written.replace('/srv/shop', folder).replaceAll('interval: 5s', 'interval: 1s');
  await writeFile(join(folder, 'prometheus.yml'), config);
  const port = await freePort('127.0.0.1', 0);
  const prometheus = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  prometheus.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  ends.push(async () => {
    if (prometheus.exitCode !== null) throw new Error(`Prometheus has ended by itself: ${log}`);
    const ended = once(prometheus, 'exit');
    prometheus.kill('SIGKILL');
    await ended;
  });
  const byRelease = async (): Promise<Readonly<Record<string, string>>> => {
    const query = encodeURIComponent('sum by (release, slot, service, environment, instance) (payments_total)');
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${query}`).catch(() => null);
    // While it starts it listens already, and says 503.
    if (answer?.ok !== true) return {};
    const { data } = (await answer.json()) as {
      data: { result: { metric: Record<string, string>; value: [number, string] }[] };
    };
    return Object.fromEntries(
      data.result.map(({ metric, value }) => [
        [metric['environment'], metric['service'], metric['slot'], metric['release'], metric['instance']].join(' '),
        value[1],
      ]),
    );
  };
  const says = (expected: Readonly<Record<string, string>>): Promise<void> =>
    until(
      async () => JSON.stringify(await byRelease()) === JSON.stringify(expected),
      `as expected: ${JSON.stringify(expected)}`,
      60_000,
    );
  await says({ 'production pay blue rel_1 pay-blue-1': '100' });

  // When a candidate comes, then it is a series of its own.
  slots = [...slots, slotOf('green', 'rel_2', candidate)];
  for (const listener of listeners) for (const slot of slots) listener(slot);
  await says({ 'production pay blue rel_1 pay-blue-1': '100', 'production pay green rel_2 pay-green-1': '50' });

  // When stable is gone, then nobody asks it any more.
  slots = slots.slice(1);
  for (const listener of listeners) for (const slot of slots) listener(slot);
  await says({ 'production pay green rel_2 pay-green-1': '50' });
}, 180_000);
