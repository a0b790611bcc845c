import type { Cost, OpenLoop, Saturation } from './measure.ts';
import type { ProxyName } from './proxy.ts';

// Every single measurement of a run, as it was made; `gateway-samples.json` holds them all.

export const plainWorkloads = {
  'GET 100 B': { method: 'GET', path: '/100', bodyBytes: 0 },
  'GET 16 kB': { method: 'GET', path: '/16k', bodyBytes: 0 },
  'POST 10 kB': { method: 'POST', path: '/post', bodyBytes: 10_000 },
} as const;
export type PlainWorkload = keyof typeof plainWorkloads;
export const tlsWorkload = 'TLS 1.3, new connection each';
export type Workload = PlainWorkload | typeof tlsWorkload;

/** A proxy, or the instance asked without one: the floor of what load and instance can do. */
export type Subject = ProxyName | 'direct';

interface Sample {
  readonly round: number;
  readonly subject: Subject;
  readonly cost: Cost;
}

export interface SaturationSample extends Sample, Saturation {
  readonly workload: Workload;
}

export interface LatencySample extends Sample, OpenLoop {
  readonly workload: PlainWorkload;
  /** `50 %` and `80 %` of the subject's own limit, or a rate that is the same for all. */
  readonly point: string;
}

export interface DownloadSample extends Sample {
  readonly bytesPerSecond: number;
  /** The most memory of the proxy during the download, bytes. */
  readonly peakRss: number;
  readonly errors: number;
}

export interface IdleSample {
  readonly subject: ProxyName;
  readonly wanted: number;
  readonly opened: number;
  /** Bytes, before the first and with all of them open. */
  readonly rssBefore: number;
  readonly rssWith: number;
}

export interface GatewayRun {
  readonly versions: Readonly<Record<ProxyName, string>>;
  readonly saturation: readonly SaturationSample[];
  readonly latency: readonly LatencySample[];
  readonly download: readonly DownloadSample[];
  readonly idle: readonly IdleSample[];
}
