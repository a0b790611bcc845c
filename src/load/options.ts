import { parseDuration } from '../core/units/duration.ts';
import type { Bytes, DurationMs } from '../core/units/quantities.ts';

/** Kinds of scheduled requests, in the order in which ties of the mix are broken. */
export const scheduledOperations = ['echo', 'chain', 'post', 'read'] as const;
export type ScheduledOperation = (typeof scheduledOperations)[number];
export type Operation = ScheduledOperation | 'upload' | 'events' | 'ws';

/** How often each kind comes among the scheduled requests; 0 leaves it out. */
export type Mix = Readonly<Record<ScheduledOperation, number>>;

export interface LoadOptions {
  /** `http://` address of this machine, with port. */
  readonly target: string;
  /** Where `/api` is, when no router joins web and api at one address; the same as `target` by default. */
  readonly apiTarget?: string;
  /** Host header of every request; the target's by default. */
  readonly host?: string;
  /** Requests per second, 1 to 5000 (default 200). Uploads and streams come on top. */
  readonly rate?: number;
  /** Milliseconds, or text like `60s`; up to 2 h (default). */
  readonly duration?: number | string;
  readonly mix?: Partial<Mix>;
  /** Time between uploads, in milliseconds or as text like `2s` (default 2000); 0 for none. */
  readonly uploadEveryMs?: number | string;
  /** Size of an upload in bytes (default 5,000,000). */
  readonly uploadBytes?: number;
  /** Event streams held open (default 4). */
  readonly eventStreams?: number;
  /** WebSockets held open (default 4). */
  readonly webSockets?: number;
  /** Time, in milliseconds or as text like `10s`, after which a request without a whole answer is lost (default 10,000). */
  readonly timeoutMs?: number | string;
  /** Time, in milliseconds or as text like `10s`, after which an upload without a whole answer is lost (default 30,000). */
  readonly uploadTimeoutMs?: number | string;
  /** Requests in flight above which the schedule leaves requests out and says so (default 4000). */
  readonly maxInFlight?: number;
  /** Names this run's messages; random by default. */
  readonly client?: string;
}

/** Options after checking, with every default filled in. */
export interface LoadPlan {
  readonly target: Address;
  readonly apiTarget: Address;
  readonly hostHeader: string;
  readonly rate: number;
  readonly durationMs: DurationMs;
  readonly mix: Mix;
  readonly uploadEveryMs: DurationMs;
  readonly uploadBytes: Bytes;
  readonly eventStreams: number;
  readonly webSockets: number;
  readonly timeoutMs: DurationMs;
  readonly uploadTimeoutMs: DurationMs;
  readonly maxInFlight: number;
  readonly client: string;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** An option of the load client is not usable. The message names it, the hint says what is. */
export class LoadOptionsError extends Error {
  readonly code = 'load-options';
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.name = 'LoadOptionsError';
    this.hint = hint;
  }
}

const maxDurationMs = 2 * 3_600_000;
const defaultMix: Mix = { echo: 10, chain: 2, post: 4, read: 4 };

/**
 * Checks options and fills in defaults.
 *
 * @param randomId names the run when `client` is not given
 * @throws LoadOptionsError for a target that is not this machine, or a number out of its bounds
 */
export function planLoad(options: LoadOptions, randomId: () => string): LoadPlan {
  const url = parseTarget('target', options.target);
  const apiUrl = options.apiTarget === undefined ? url : parseTarget('apiTarget', options.apiTarget);
  const mix = { ...defaultMix, ...options.mix };
  for (const operation of scheduledOperations) bounded(`mix.${operation}`, mix[operation], 0, 1000);
  if (scheduledOperations.every((operation) => mix[operation] === 0)) {
    throw new LoadOptionsError(
      'The mix has no request in it.',
      'Give at least one of echo, chain, post, read a weight.',
    );
  }
  const client = options.client ?? `load-${randomId()}`;
  if (!/^[a-z0-9-]{1,64}$/.test(client)) {
    throw new LoadOptionsError(
      `client "${client}" is not usable in a path.`,
      'Use a-z, 0-9 and -, at most 64 of them.',
    );
  }
  const hostHeader = options.host ?? url.host;
  if (!/^[A-Za-z0-9.:[\]-]{1,255}$/.test(hostHeader)) {
    throw new LoadOptionsError(`host "${hostHeader}" is not a host name.`, 'Give a name like demo.local.');
  }
  return {
    target: addressOf(url),
    apiTarget: addressOf(apiUrl),
    hostHeader,
    rate: bounded('rate', options.rate ?? 200, 1, 5000),
    durationMs: duration('duration', options.duration ?? maxDurationMs, 1, maxDurationMs),
    mix,
    uploadEveryMs: duration('uploadEveryMs', options.uploadEveryMs ?? 2000, 0, maxDurationMs),
    uploadBytes: bounded('uploadBytes', options.uploadBytes ?? 5_000_000, 32, 64_000_000) as Bytes,
    eventStreams: bounded('eventStreams', options.eventStreams ?? 4, 0, 64),
    webSockets: bounded('webSockets', options.webSockets ?? 4, 0, 64),
    timeoutMs: duration('timeoutMs', options.timeoutMs ?? 10_000, 10, 60_000),
    uploadTimeoutMs: duration('uploadTimeoutMs', options.uploadTimeoutMs ?? 30_000, 10, 300_000),
    maxInFlight: bounded('maxInFlight', options.maxInFlight ?? 4000, 1, 20_000),
    client,
  };
}

function parseTarget(option: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.protocol !== 'http:' || url.pathname !== '/' || url.search !== '') {
    throw new LoadOptionsError(`${option} "${text}" is not an address.`, 'Give one like http://127.0.0.1:8080.');
  }
  // Load is only ever made against this machine: whoever runs this owns what answers.
  if (url.hostname !== 'localhost' && url.hostname !== '[::1]' && !/^127(\.\d{1,3}){3}$/.test(url.hostname)) {
    throw new LoadOptionsError(
      `${option} "${text}" is not this machine.`,
      'The load client only talks to loopback addresses: 127.0.0.1, [::1] or localhost.',
    );
  }
  return url;
}

function addressOf(url: URL): Address {
  // `localhost` is not looked up: what it means is a matter of a file that anyone may have changed.
  const host = url.hostname === 'localhost' ? '127.0.0.1' : url.hostname.replace(/^\[|\]$/g, '');
  return { host, port: url.port === '' ? 80 : Number(url.port) };
}

function bounded(option: string, value: number, least: number, most: number): number {
  if (Number.isFinite(value) && value >= least && value <= most && (Number.isInteger(value) || option === 'rate')) {
    return value;
  }
  throw new LoadOptionsError(`${option} is ${value}.`, `Give a number from ${least} to ${most}.`);
}

function duration(option: string, value: number | string, least: number, most: number): DurationMs {
  const read = typeof value === 'number' ? value : parseDuration(value);
  const ms = typeof read === 'number' ? read : read.ok ? read.value : Number.NaN;
  if (Number.isFinite(ms) && ms >= least && ms <= most) return ms as DurationMs;
  throw new LoadOptionsError(
    `${option} is "${value}".`,
    `Give milliseconds or text like 60s, at most ${most / 1000} s.`,
  );
}
