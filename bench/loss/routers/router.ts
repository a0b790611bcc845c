import type { Endpoint } from '../../../src/core/route-table.ts';
import type { Slotful } from '../fleet.ts';

/** Something that carries traffic, and how it is used to deploy. */
export interface LossRouter {
  readonly name: string;
  readonly port: number;
  /** What happens in a deployment between "the new instances listen" and "the old ones get SIGTERM"; and in the rest. */
  readonly practice: { readonly deployment: string; readonly replacement: string; readonly kill: string };
  /** Moves traffic; resolves when the old instances may be stopped. */
  move(from: Slotful, to: Slotful, signal: AbortSignal): Promise<void>;
  /** Takes the place of the running router, as for a new version of it. */
  replace(signal: AbortSignal): Promise<void>;
  /** kill -9 of a process that carries traffic, and what usually brings it back. */
  kill(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

export interface RouterPlace {
  /** A folder of its own. */
  readonly folder: string;
  readonly port: number;
  /** Instances that traffic goes to at first. */
  readonly first: Slotful;
  readonly signal: AbortSignal;
}

export type StartRouter = (place: RouterPlace) => Promise<LossRouter>;

/** Milliseconds that a script waits behind a reload before it stops the old instances. */
export const afterReloadMs = 2_000;
/** Milliseconds after which systemd starts a service again by default (RestartSec). */
export const restartMs = 100;

export const addresses = (endpoints: readonly Endpoint[]): readonly string[] =>
  endpoints.map(({ host, port }) => `${host}:${port}`);
