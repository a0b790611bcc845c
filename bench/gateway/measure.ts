import { runToEnd, type Command } from '../machine/owned-process.ts';
import { coreTicks, cpuSeconds, cpuTicks, familyOf, memoryOf } from '../machine/proc.ts';

/** The cores of a run: one carries the proxy alone, the other load, instance and everything else. */
export const cores = { proxy: 1, load: 0 } as const;

/** What a stretch of load cost, beside what the load itself says. */
export interface Cost {
  readonly seconds: number;
  /** Seconds of CPU of all processes of the proxy. */
  readonly proxyCpu: number;
  /** Share of that in the kernel, 0 to 1: connections, packets, polling. */
  readonly kernelShare: number;
  /** Share of the proxy's core that was busy, and with the proxy, 0 to 1. */
  readonly proxyCoreBusy: number;
  readonly proxyShare: number;
  /** Share of the load's core that was busy, 0 to 1. */
  readonly loadCoreBusy: number;
  readonly rss: number;
}

/** Runs something against a proxy and says what it cost. @param root process id, null for none */
export async function costing<T>(root: number | null, work: () => Promise<T>): Promise<T & { readonly cost: Cost }> {
  const family = (): readonly number[] => (root === null ? [] : familyOf(root));
  const before = {
    cpu: cpuSeconds(family()),
    ticks: cpuTicks(family()),
    proxy: coreTicks(cores.proxy),
    load: coreTicks(cores.load),
  };
  const began = performance.now();
  const result = await work();
  const seconds = (performance.now() - began) / 1_000;
  const pids = family();
  const proxyCpu = cpuSeconds(pids) - before.cpu;
  const ticks = cpuTicks(pids);
  const kernel = ticks.kernel - before.ticks.kernel;
  const counted = kernel + ticks.user - before.ticks.user;
  return {
    ...result,
    cost: {
      seconds,
      proxyCpu,
      kernelShare: counted === 0 ? 0 : kernel / counted,
      proxyCoreBusy: share(before.proxy, coreTicks(cores.proxy)),
      proxyShare: proxyCpu / seconds,
      loadCoreBusy: share(before.load, coreTicks(cores.load)),
      rss: memoryOf(pids).rss,
    },
  };
}

function share(from: ReturnType<typeof coreTicks>, to: ReturnType<typeof coreTicks>): number {
  return to.all === from.all ? 0 : (to.busy - from.busy) / (to.all - from.all);
}

export interface Saturation {
  readonly requestsPerSecond: number;
  readonly requests: number;
  readonly errors: number;
}

export interface ClosedLoop {
  readonly url: string;
  readonly seconds: number;
  readonly connections: number;
  /** A new connection for each request. */
  readonly close: boolean;
  /** File with the wrk script of a POST; null for GETs. */
  readonly script: string | null;
  /** Host header; that of the URL without. */
  readonly host?: string;
}

/** As many requests as go through, each connection asking again when it is answered. */
export async function saturate(wrk: string, loop: ClosedLoop, signal: AbortSignal): Promise<Saturation> {
  const args = ['-t1', `-c${loop.connections}`, `-d${loop.seconds}s`, '--timeout', '10s'];
  if (loop.close) args.push('-H', 'Connection: close');
  if (loop.host !== undefined) args.push('-H', `Host: ${loop.host}`);
  if (loop.script !== null) args.push('-s', loop.script);
  const text = await runToEnd({ program: wrk, args: [...args, loop.url], core: cores.load }, signal);
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0);
  const errors =
    number(/connect (\d+)/) +
    number(/read (\d+)/) +
    number(/write (\d+)/) +
    number(/timeout (\d+)/) +
    number(/Non-2xx or 3xx responses: (\d+)/);
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(text)?.[1];
  if (rate === undefined) throw new Error(`wrk printed no rate: ${text}`);
  return { requestsPerSecond: Number(rate), requests: number(/(\d+) requests in/), errors };
}

/** What `open-loop` prints. Latencies in microseconds, from when a request was due. */
export interface OpenLoop {
  readonly rate: number;
  readonly sent: number;
  readonly done: number;
  readonly failed: number;
  readonly refused: number;
  readonly badStatus: number;
  /** Due, and never sent because every connection still waited. */
  readonly unsent: number;
  readonly unanswered: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface OpenLoopRun {
  readonly port: number;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly bodyBytes: number;
  readonly rate: number;
  readonly seconds: number;
  readonly connections: number;
}

export function openLoopCommand(program: string, run: OpenLoopRun, core: number | null, host = 'localhost'): Command {
  const { port, method, path, bodyBytes, rate, seconds, connections } = run;
  const args = [...[port, method, path, bodyBytes, rate, seconds, connections].map(String), host];
  return { program, args, ...(core === null ? {} : { core }) };
}

export async function openLoop(program: string, run: OpenLoopRun, signal: AbortSignal): Promise<OpenLoop> {
  return JSON.parse(await runToEnd(openLoopCommand(program, run, cores.load), signal)) as OpenLoop;
}

export const errorsOf = (loop: OpenLoop): number =>
  loop.failed + loop.refused + loop.badStatus + loop.unsent + loop.unanswered;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
