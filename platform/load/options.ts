import { isSize, type Size } from '../seed/catalogue.ts';

/** What people do, and as what it is counted; `chat` is held open besides. */
export const actions = [
  'register',
  'log-in',
  'refresh',
  'page',
  'profile',
  'discover',
  'search',
  'play',
  'history',
  'upload',
  'playlist',
  'rooms',
] as const;
export type Action = (typeof actions)[number];
export type Operation = Action | 'chat';

/** How often each comes among the arrivals; 0 leaves it out. */
export type Mix = Readonly<Record<Action, number>>;

export interface LoadOptions {
  /** `http://` address of this machine, with port. */
  readonly target: string;
  /** Host header of every request; the target's by default. */
  readonly host?: string;
  /** Things that people do per second on average, 0.1 to 2,000 (default 50); most are several requests. Chat comes on top. */
  readonly rate?: number;
  /** Milliseconds, or text like `60s` or `5m`; up to 2 h (default). */
  readonly duration?: number | string;
  readonly mix?: Partial<Mix>;
  /** People who are signed in from the start (default 24). */
  readonly people?: number;
  /** Of chat rooms (default 2) and of members of each (default 4), and of messages per second in all rooms together (default 8). */
  readonly rooms?: number;
  readonly members?: number;
  readonly messagesPerSecond?: number;
  /** Time, in milliseconds or as text, after which a request without a whole answer is lost (default 10 s). */
  readonly timeout?: number | string;
  /** Time, in milliseconds or as text, above which an answer is slow (default 1 s). */
  readonly slow?: number | string;
  /** Of arrivals and of what is drawn (default 1): two runs are the same load. */
  readonly seed?: number;
  /** What `platform/seed` put there, as `size:seed`, such as `demo:1`: its tracks are searched for, played and compared too. */
  readonly seeded?: string;
  /** Names this run's people and rooms; random by default, so that runs do not meet. */
  readonly run?: string;
}

/** Options after checking, with every default filled in. */
export interface LoadPlan {
  readonly target: Address;
  readonly hostHeader: string;
  readonly rate: number;
  readonly durationMs: number;
  readonly mix: Mix;
  readonly people: number;
  readonly rooms: number;
  readonly members: number;
  readonly messagesPerSecond: number;
  readonly timeoutMs: number;
  readonly slowMs: number;
  readonly seed: number;
  readonly seeded: { readonly size: Size; readonly seed: number } | null;
  readonly run: string;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** An option of the load client is not usable. The message names it and says what is. */
export class LoadOptionsError extends Error {
  readonly code = 'load-options';
  override readonly name = 'LoadOptionsError';
}

const maxDurationMs = 2 * 3_600_000;
const defaultMix: Mix = {
  register: 1,
  'log-in': 2,
  refresh: 4,
  page: 8,
  profile: 6,
  discover: 14,
  search: 12,
  play: 20,
  history: 8,
  upload: 3,
  playlist: 8,
  rooms: 8,
};

/**
 * Checks options and fills in defaults.
 *
 * @param randomName names the run when it has no name
 * @throws LoadOptionsError for a target that is not this machine, or a number out of its bounds
 */
export function planLoad(options: LoadOptions, randomName: () => string): LoadPlan {
  const url = parseTarget(options.target);
  const mix = { ...defaultMix, ...options.mix };
  for (const action of actions) bounded(`mix.${action}`, mix[action], 0, 1_000);
  if (actions.every((action) => mix[action] === 0)) throw new LoadOptionsError('The mix has nothing in it.');
  const run = options.run ?? randomName();
  if (!/^[a-z0-9-]{1,40}$/.test(run)) throw new LoadOptionsError(`run "${run}": use a-z, 0-9 and -, at most 40.`);
  const hostHeader = options.host ?? url.host;
  if (!/^[A-Za-z0-9.:[\]-]{1,255}$/.test(hostHeader))
    throw new LoadOptionsError(`host "${hostHeader}" is no host name.`);
  return {
    target: addressOf(url),
    hostHeader,
    rate: bounded('rate', options.rate ?? 50, 0.1, 2_000),
    durationMs: duration('duration', options.duration ?? maxDurationMs, 1, maxDurationMs),
    mix,
    people: whole('people', options.people ?? 24, 1, 2_000),
    rooms: whole('rooms', options.rooms ?? 2, 0, 64),
    members: whole('members', options.members ?? 4, 1, 64),
    messagesPerSecond: bounded('messagesPerSecond', options.messagesPerSecond ?? 8, 0.1, 1_000),
    timeoutMs: duration('timeout', options.timeout ?? 10_000, 10, 60_000),
    slowMs: duration('slow', options.slow ?? 1_000, 1, 60_000),
    seed: whole('seed', options.seed ?? 1, 0, 2 ** 31),
    seeded: options.seeded === undefined ? null : parseSeeded(options.seeded),
    run,
  };
}

function parseTarget(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.protocol !== 'http:' || url.pathname !== '/' || url.search !== '') {
    throw new LoadOptionsError(`target "${text}" is not an address like http://127.0.0.1:8080.`);
  }
  // Load is only ever made against this machine: whoever runs this owns what answers.
  if (url.hostname !== 'localhost' && url.hostname !== '[::1]' && !/^127(\.\d{1,3}){3}$/.test(url.hostname)) {
    throw new LoadOptionsError(`target "${text}" is not this machine: give 127.0.0.1, [::1] or localhost.`);
  }
  return url;
}

function addressOf(url: URL): Address {
  // `localhost` is not looked up: what it means is a matter of a file that anyone may have changed.
  const host = url.hostname === 'localhost' ? '127.0.0.1' : url.hostname.replace(/^\[|\]$/g, '');
  return { host, port: url.port === '' ? 80 : Number(url.port) };
}

function parseSeeded(text: string): { readonly size: Size; readonly seed: number } {
  const [size = '', seed = '', ...rest] = text.split(':');
  if (!isSize(size) || !/^\d{1,9}$/.test(seed) || rest.length > 0) {
    throw new LoadOptionsError(`seeded "${text}": give a size and a seed, like demo:1.`);
  }
  return { size, seed: Number(seed) };
}

function whole(option: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value)) throw new LoadOptionsError(`${option} is ${value}: give a whole number.`);
  return bounded(option, value, least, most);
}

function bounded(option: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw new LoadOptionsError(`${option} is ${value}: give a number from ${least} to ${most}.`);
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

function duration(option: string, value: number | string, least: number, most: number): number {
  const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(String(value)) ?? [];
  const ms = typeof value === 'number' ? value : Number(amount === '' ? 'NaN' : amount) * (units[unit] ?? Number.NaN);
  if (ms >= least && ms <= most) return ms;
  throw new LoadOptionsError(`${option} is "${value}": give milliseconds or text like 60s, at most ${most / 1_000} s.`);
}
