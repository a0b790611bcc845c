import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/system/free-port.ts';
import type { LoadReport } from '../../src/load/report.ts';
import { Client } from '../loss/client.ts';
import { Fleet } from '../loss/fleet.ts';
import { startDriver } from '../loss/routers/driver.ts';
import { openGateway } from '../loss/routers/gateway.ts';
import type { LossRouter } from '../loss/routers/router.ts';
import { loadOf } from '../loss/run.ts';
import { familyOf, memoryOf } from '../machine/proc.ts';
import { BulkLoad, type BulkReport } from './bulk.ts';
import { trendOf, type MemorySample, type Trend } from './memory.ts';

export interface SoakOptions {
  readonly minutes: number;
  /** Seconds from one deployment to the next. */
  readonly deployEverySeconds: number;
  /** Requests a second of the client that knows every answer. */
  readonly rate: number;
  /** Share of the gateway's own limit that plain requests beside it make up; null for none. */
  readonly share: number | null;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

export interface SoakResult {
  readonly deployments: number;
  readonly report: LoadReport;
  readonly bulk: BulkReport | null;
  readonly samples: readonly MemorySample[];
  readonly memory: Trend;
}

const sampleMs = 1_000;
/** The share of the run after which memory is looked at: buffers, compiled code and the heap have found their size. */
const warmShare = 0.25;

/** The gateway under steady traffic of every kind, with a deployment every so often. */
export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const { signal, progress } = options;
  const folder = await mkdtemp(join(tmpdir(), 'veza-soak-'));
  await writeFile(join(folder, 'messages'), '');
  const fleet = new Fleet(join(folder, 'messages'), 'plain');
  let web: LossRouter | null = null;
  let client: Client | null = null;
  let bulk: BulkLoad | null = null;
  let sampler: NodeJS.Timeout | undefined;
  try {
    let current = await fleet.next(signal);
    const own = join(folder, 'gateway');
    await mkdir(own);
    const { router, around } = await openGateway({ folder: own, port: await freePort('127.0.0.1', 0), signal });
    web = await startDriver(router, around, current, signal).catch(async (error: unknown) => {
      await around.stop();
      throw error;
    });
    const seconds = options.minutes * 60;
    if (options.share !== null) {
      bulk = await BulkLoad.start(router, around, {
        share: options.share,
        less: options.rate,
        seconds,
        signal,
        progress,
      });
    }
    client = new Client(loadOf(web.port, options.rate));

    const began = performance.now();
    const elapsed = (): number => (performance.now() - began) / 1_000;
    const samples: MemorySample[] = [];
    sampler = setInterval(() => {
      samples.push({ at: elapsed(), rss: memoryOf(familyOf(router.pid)).rss });
    }, sampleMs);
    let deployments = 0;
    while (elapsed() + options.deployEverySeconds < seconds) {
      const due = (deployments + 1) * options.deployEverySeconds;
      await sleep(Math.max(0, due - elapsed()) * 1_000, undefined, { signal });
      const next = await fleet.next(signal);
      await web.move(current, next, signal);
      await current.stop();
      current = next;
      await bulk?.deploy(signal);
      deployments += 1;
      const { requests, lost } = await client.snapshot();
      const rss = (samples.at(-1)?.rss ?? 0) / 2 ** 20;
      progress(
        `${Math.round(elapsed())} s  deployment ${deployments}, ${requests} requests, ${lost} lost, ${Math.round(rss)} MiB`,
      );
    }
    await sleep(Math.max(0, seconds - elapsed()) * 1_000, undefined, { signal });
    clearInterval(sampler);
    const bulkReport = (await bulk?.report()) ?? null;
    const report = await client.report();
    const memory = trendOf(samples.filter(({ at }) => at >= seconds * warmShare));
    return { deployments, report, bulk: bulkReport, samples, memory };
  } finally {
    clearInterval(sampler);
    await client?.end();
    await bulk?.end();
    await web?.stop();
    await fleet.end();
    await rm(folder, { recursive: true, force: true });
  }
}
