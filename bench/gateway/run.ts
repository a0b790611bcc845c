import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchContext } from '../harness/bench.ts';
import { OwnedProcess } from '../machine/owned-process.ts';
import { familyOf, memoryOf, resetPeak } from '../machine/proc.ts';
import { prepareField, type Field } from './field.ts';
import { cores, costing, errorsOf, median, openLoop, saturate, type OpenLoopRun } from './measure.ts';
import { proxyNames, type Place, type ProxyName, type RunningProxy } from './proxy.ts';
import {
  plainWorkloads,
  tlsWorkload,
  type DownloadSample,
  type GatewayRun,
  type IdleSample,
  type LatencySample,
  type PlainWorkload,
  type SaturationSample,
  type Subject,
  type Workload,
} from './samples.ts';

/** How much of everything there is. */
export interface Extent {
  readonly rounds: number;
  readonly saturationSeconds: number;
  /** Of these there are more, and shorter ones: a pause of the machine falls into one run, and the median leaves it out. */
  readonly latencyRounds: number;
  readonly latencySeconds: number;
  readonly webSockets: readonly number[];
}

/** Requests a second at which all are compared that can do them. */
const commonRates = [5_000, 10_000];
const loadedShare = 0.8;
const ownShares = [0.5, loadedShare];
const smallGet: PlainWorkload = 'GET 100 B';
/** Above this share of its own limit a queue builds up that says nothing about a proxy. */
const mostOfOwnLimit = 0.9;
const connections = { saturation: 32, latency: 64 };
/** Milliseconds for connections to settle and garbage to be collected before memory is read. */
const settleMs = 3_000;
const gibibyte = 2 ** 30;

const names = Object.keys(plainWorkloads) as PlainWorkload[];
const workloads: readonly Workload[] = [...names, tlsWorkload];

/** A proxy under load, or the instance itself. */
interface Target {
  readonly subject: Subject;
  readonly root: number | null;
  readonly port: number;
  readonly tlsPort: number | null;
}

/** Four proxies, each in turn on one core, with the same instance and the same load on the other. */
export async function runGatewayBench(context: BenchContext, extent: Extent): Promise<GatewayRun> {
  const field = await prepareField(context.signal);
  try {
    const started: { readonly place: Place; readonly proxy: RunningProxy }[] = [];
    for (const name of proxyNames) started.push(await field.start(name));
    const targets: readonly Target[] = [
      { subject: 'direct', root: null, port: field.upstreamPort, tlsPort: null },
      ...started.map(({ place, proxy }) => ({
        subject: proxy.name,
        root: proxy.root(),
        port: place.port,
        tlsPort: proxy.tls ? place.tlsPort : null,
      })),
    ];
    const run = { context, extent, field };
    const saturation = await saturateAll(run, targets);
    const latency = await latencies(run, targets, saturation);
    for (const { proxy } of started) await proxy.stop();
    const download = await downloads(run);
    const idle = await idleWebSockets(run);
    return { versions: field.versions, saturation, latency, download, idle };
  } finally {
    await field.clear();
  }
}

interface Run {
  readonly context: BenchContext;
  readonly extent: Extent;
  readonly field: Field;
}

async function saturateAll({ context, extent, field }: Run, targets: readonly Target[]): Promise<SaturationSample[]> {
  const { signal } = context;
  const samples: SaturationSample[] = [];
  const once = async (
    workload: Workload,
    target: Target,
    round: number,
    seconds: number,
  ): Promise<SaturationSample> => {
    const tls = workload === tlsWorkload;
    const { path, method } = tls ? plainWorkloads['GET 100 B'] : plainWorkloads[workload];
    const loop = {
      url: tls ? `https://localhost:${target.tlsPort}${path}` : `http://127.0.0.1:${target.port}${path}`,
      seconds,
      connections: connections.saturation,
      close: tls,
      script: method === 'POST' ? field.postScript : null,
    };
    const result = await costing(target.root, () => saturate(field.wrk, loop, signal));
    return { workload, subject: target.subject, round, ...result };
  };
  const all = workloads.flatMap((workload) =>
    targets
      .filter(({ tlsPort }) => workload !== tlsWorkload || tlsPort !== null)
      .map((target) => ({ workload, target })),
  );
  context.progress('warming up');
  for (const { workload, target } of all) await once(workload, target, -1, 1);
  for (let round = 0; round < extent.rounds; round += 1) {
    for (const { workload, target } of all) {
      const sample = await once(workload, target, round, extent.saturationSeconds);
      samples.push(sample);
      const { requestsPerSecond, requests, cost, errors } = sample;
      context.progress(
        `round ${round + 1}  ${workload.padEnd(28)} ${target.subject.padEnd(8)} ${Math.round(requestsPerSecond)} requests/s, ` +
          `${((cost.proxyCpu / requests) * 1e6).toFixed(1)} us CPU each, ${Math.round(cost.proxyShare * 100)} % of its core, ` +
          `core of the load ${Math.round(cost.loadCoreBusy * 100)} % busy${errors > 0 ? `, ${errors} ERRORS` : ''}`,
      );
    }
  }
  return samples;
}

async function latencies(
  { context, extent, field }: Run,
  targets: readonly Target[],
  saturation: readonly SaturationSample[],
): Promise<LatencySample[]> {
  const limitOf = (subject: Subject, workload: Workload): number =>
    median(
      saturation
        .filter((sample) => sample.subject === subject && sample.workload === workload)
        .map(({ requestsPerSecond }) => requestsPerSecond),
    );
  const samples: LatencySample[] = [];
  for (let round = 0; round < extent.latencyRounds; round += 1) {
    for (const workload of names) {
      // Our own points for all: "at the same rate" is then asked where it matters to our users.
      const shared = (workload === smallGet ? ownShares : [loadedShare]).map(
        (share) => Math.round((limitOf('veza', workload) * share) / 100) * 100,
      );
      if (workload === smallGet) shared.unshift(...commonRates);
      const points = [...new Set(shared)].map((rate) => ({ point: `${rate}/s`, rate: () => rate }));
      const own = ownShares.map((share) => ({
        point: `${share * 100} %`,
        rate: (subject: Subject) => limitOf(subject, workload) * share,
      }));
      for (const { point, rate } of [...own, ...points]) {
        for (const target of targets) {
          const perSecond = Math.round(rate(target.subject));
          if (perSecond > limitOf(target.subject, workload) * mostOfOwnLimit) continue;
          const asked: OpenLoopRun = {
            ...plainWorkloads[workload],
            port: target.port,
            rate: perSecond,
            seconds: extent.latencySeconds,
            connections: connections.latency,
          };
          const result = await costing(target.root, () => openLoop(field.openLoop, asked, context.signal));
          samples.push({ workload, point, subject: target.subject, round, ...result });
          const errors = errorsOf(result);
          context.progress(
            `round ${round + 1}  ${workload} at ${point.padEnd(8)} ${target.subject.padEnd(8)} ${perSecond} requests/s: ` +
              `p50 ${result.p50} us, p99 ${result.p99} us, p99.9 ${result.p999} us${errors > 0 ? `, ${errors} ERRORS` : ''}`,
          );
        }
      }
    }
  }
  return samples;
}

async function downloads({ context, extent, field }: Run): Promise<DownloadSample[]> {
  const samples: DownloadSample[] = [];
  for (let round = 0; round < extent.rounds; round += 1) {
    for (const name of proxyNames) {
      const { place, proxy } = await field.start(name);
      const root = proxy.root();
      const asked = { port: place.port, method: 'GET', bodyBytes: 0, rate: 1, seconds: 1, connections: 1 } as const;
      await openLoop(field.openLoop, { ...asked, path: '/100' }, context.signal);
      resetPeak(familyOf(root));
      const result = await costing(root, () => openLoop(field.openLoop, { ...asked, path: '/1g' }, context.signal));
      const peakRss = memoryOf(familyOf(root)).peak;
      await proxy.stop();
      const bytesPerSecond = gibibyte / (result.max / 1e6);
      samples.push({ subject: name, round, cost: result.cost, bytesPerSecond, peakRss, errors: errorsOf(result) });
      context.progress(
        `round ${round + 1}  1 GiB  ${name.padEnd(8)} ${Math.round(bytesPerSecond / 1e6)} MB/s, ` +
          `${result.cost.proxyCpu.toFixed(2)} s CPU, at most ${Math.round(peakRss / 2 ** 20)} MiB${errorsOf(result) > 0 ? ', FAILED' : ''}`,
      );
    }
  }
  return samples;
}

async function idleWebSockets({ context, extent, field }: Run): Promise<IdleSample[]> {
  const { signal } = context;
  const samples: IdleSample[] = [];
  for (const wanted of extent.webSockets) {
    for (const name of proxyNames) {
      const { place, proxy } = await field.start(name);
      const sample = await holdWebSockets(field, proxy, place, name, wanted, signal);
      await proxy.stop();
      samples.push(sample);
      const each = (sample.rssWith - sample.rssBefore) / Math.max(sample.opened, 1) / 1_000;
      context.progress(`${sample.opened} of ${wanted} idle WebSockets  ${name.padEnd(8)} ${each.toFixed(1)} kB each`);
    }
  }
  return samples;
}

async function holdWebSockets(
  field: Field,
  proxy: RunningProxy,
  place: Place,
  name: ProxyName,
  wanted: number,
  signal: AbortSignal,
): Promise<IdleSample> {
  const rss = (): number => memoryOf(familyOf(proxy.root())).rss;
  const hold = (count: number): OwnedProcess =>
    new OwnedProcess({ program: field.idleWebSockets, args: [String(place.port), String(count)], core: cores.load });
  // Code and buffers that the first ones bring along are no memory of each.
  const first = hold(20);
  await first.says(/open \d+/, signal);
  await first.stop();
  await sleep(settleMs, undefined, { signal });
  const rssBefore = rss();
  const all = hold(wanted);
  try {
    const said = await all.says(/open (\d+) failed (\d+)/, signal, 120_000);
    await sleep(settleMs, undefined, { signal });
    return { subject: name, wanted, opened: Number(said[1]), rssBefore, rssWith: rss() };
  } finally {
    await all.stop();
  }
}
