import type { ControlAnswer, ControlRequest, GatewayHealth } from '../../../core/gateway-control.ts';
import { GatewayRefusedError, GatewayUnreachableError, StaleRouterWriteError } from '../../../errors.ts';
import type { DrainProgress, RouteInForce, RouterEvent, RouteTableEntry, Router, WriteStamp } from '../router.ts';
import type { CurrentSecond, TrafficSecond } from '../../../core/traffic.ts';
import { askGateway, watchGateway } from './control-client.ts';
import type { GatewaySettings } from '../../../core/gateway-settings.ts';
import {
  ensureGateway,
  findOrStartGateway,
  upgradeGateway,
  type GatewayPlace,
  type RunningGateway,
} from './gateway-process.ts';

export { stopGateway, type GatewayPlace } from './gateway-process.ts';

/** Milliseconds for an answer that needs no waiting. */
const answerMs = 10_000;
/** Milliseconds for an answer that may have to wait for a replacement of the gateway. */
const turnMs = 45_000;
/** Milliseconds for orders of certificates: several hosts, of which an authority may let each wait for minutes. */
const renewMs = 600_000;
/** Milliseconds between two attempts to bring a gateway back. */
const restartPauseMs = 1_000;

export interface GatewayRouterPlace extends GatewayPlace {
  /** Told when the gateway has died and is there again, or cannot be brought back. */
  readonly onEvent?: (event: RouterEvent) => void;
}

/** A router whose gateway can be asked where it is. */
export interface GatewayRouter extends Router {
  /** Address that users reach. */
  readonly listen: { readonly host: string; readonly port: number };
  /** What is in force, with the ports that were taken where any was wanted. */
  readonly settings: GatewaySettings;
  /** Process id of the gateway's supervisor. */
  readonly pid: number;
  current(service: string, signal: AbortSignal): Promise<CurrentSecond | null>;
  /** What a person must know about the gateway, see GatewayHealth. */
  warnings(signal: AbortSignal): Promise<readonly string[]>;
  /** Its processes, addresses, certificates, queues. */
  health(signal: AbortSignal): Promise<GatewayHealth>;
  /**
   * Replaces the gateway by this version with these settings; no connection is refused or cut.
   *
   * @throws GatewayUpgradeError when the new one cannot start; the old one goes on
   */
  upgrade(settings: GatewaySettings, signal: AbortSignal): Promise<GatewayHealth>;
  /**
   * Tries to replace certificates now, those for a host or all; what came of it is in the health.
   *
   * @returns false when none is for the host
   */
  renew(host: string | null, signal: AbortSignal): Promise<boolean>;
}

/**
 * The built-in router: connects to the gateway of a state folder and starts it first if none is running; one that runs
 * with other settings or another version is replaced. While the router is open, a gateway that dies is started again at once and serves its last table; one that was told to stop
 * (`stopGateway`) stays down. `close` leaves it running.
 *
 * @throws GatewayStartError, GatewayUpgradeError, GatewayMismatchError
 */
export async function createGatewayRouter(
  { onEvent = () => {}, ...place }: GatewayRouterPlace,
  signal: AbortSignal = AbortSignal.timeout(30_000),
): Promise<GatewayRouter> {
  const router = new GatewayConnection(place, await ensureGateway(place, signal), onEvent);
  router.watch();
  return router;
}

class GatewayConnection implements GatewayRouter {
  #place: GatewayPlace;
  #running: RunningGateway;
  #restarting: Promise<void> | null = null;
  #stopWatching: () => void = () => {};
  #retry: NodeJS.Timeout | null = null;
  /** Somebody told the gateway to stop: it is not started behind his back. */
  #stopped = false;
  /** It is being replaced because we asked for it: that is no news. */
  #upgrading: Promise<unknown> | null = null;
  /** Why it could not be brought back, when that was said last. */
  #failure: string | null = null;
  readonly #onEvent: (event: RouterEvent) => void;
  readonly #closed = new AbortController();

  constructor(place: GatewayPlace, running: RunningGateway, onEvent: (event: RouterEvent) => void) {
    this.#place = whereItRuns(place, running);
    this.#running = running;
    this.#onEvent = onEvent;
  }

  get listen(): { readonly host: string; readonly port: number } {
    return this.#running.health.listen;
  }

  get settings(): GatewaySettings {
    return this.#running.health.settings;
  }

  get pid(): number {
    return this.#running.health.pid;
  }

  watch(): void {
    this.#stopWatching();
    this.#stopWatching = watchGateway(this.#running.socket, (meant) => {
      if (meant) this.#stopped = true;
      else this.#bringBack();
    });
  }

  #bringBack(): void {
    if (this.#closed.signal.aborted) return;
    this.#restart().catch((error: unknown) => {
      if (this.#closed.signal.aborted) return;
      // It stays down for now (port taken, disk full); calls report why, and it is tried again.
      const message = error instanceof Error ? error.message : String(error);
      if (message !== this.#failure) this.#onEvent({ kind: 'failed', message });
      this.#failure = message;
      this.#retry = setTimeout(() => this.#bringBack(), restartPauseMs);
      this.#retry.unref();
    });
  }

  #restart(): Promise<void> {
    this.#restarting ??= this.#reconnect().finally(() => {
      this.#restarting = null;
    });
    return this.#restarting;
  }

  async #reconnect(): Promise<void> {
    await this.#upgrading?.catch(() => {});
    const { pid, generation } = this.#running.health;
    // Another one may have been replaced by another caller: what runs is as somebody wants it.
    this.#running = await findOrStartGateway(this.#place, this.#closed.signal);
    this.#place = whereItRuns(this.#place, this.#running);
    this.#failure = null;
    const now = this.#running.health;
    if (now.pid !== pid) this.#onEvent({ kind: 'restarted', message: restartInWords({ pid, generation }, now) });
    if (!this.#closed.signal.aborted) this.watch();
  }

  /** Asks; when the gateway is gone, brings it back and asks once more. Every message may be repeated. */
  async #ask(message: ControlRequest, timeoutMs: number | null, signal: AbortSignal): Promise<ControlAnswer> {
    try {
      return await askGateway(this.#running.socket, message, timeoutMs, signal);
    } catch (error) {
      const given = this.#stopped || this.#closed.signal.aborted;
      if (given || !(error instanceof GatewayUnreachableError)) throw error;
    }
    await this.#restart();
    return askGateway(this.#running.socket, message, timeoutMs, signal);
  }

  async write(stamp: WriteStamp, entry: RouteTableEntry, signal: AbortSignal): Promise<RouteInForce> {
    const answer = await this.#ask({ kind: 'write', stamp, entry }, turnMs, signal);
    if (answer.kind === 'in-force') return answer.inForce;
    throw refusal(answer, entry.service);
  }

  async remove(stamp: WriteStamp, service: string, signal: AbortSignal): Promise<void> {
    const answer = await this.#ask({ kind: 'remove', stamp, service }, turnMs, signal);
    if (answer.kind !== 'removed') throw refusal(answer, service);
  }

  async observe(signal: AbortSignal): Promise<readonly RouteInForce[]> {
    const answer = await this.#ask({ kind: 'observe' }, turnMs, signal);
    if (answer.kind === 'table') return answer.routes;
    throw refusal(answer, '');
  }

  async drain(
    service: string,
    instances: readonly string[],
    drainMs: number,
    signal: AbortSignal,
  ): Promise<DrainProgress> {
    // The answer comes after drainMs and 5 s at the latest.
    const answer = await this.#ask({ kind: 'drain', service, instances, drainMs }, drainMs + 5_000 + answerMs, signal);
    if (answer.kind === 'drained') return answer.left;
    throw refusal(answer, service);
  }

  async traffic(service: string, afterSecond: number, signal: AbortSignal): Promise<readonly TrafficSecond[]> {
    const answer = await this.#ask({ kind: 'traffic', service, afterSecond }, answerMs, signal);
    if (answer.kind === 'traffic') return answer.seconds;
    throw refusal(answer, service);
  }

  async current(service: string, signal: AbortSignal): Promise<CurrentSecond | null> {
    const answer = await this.#ask({ kind: 'current', service }, answerMs, signal);
    if (answer.kind === 'current') return answer.current;
    throw refusal(answer, service);
  }

  async warnings(signal: AbortSignal): Promise<readonly string[]> {
    return (await this.health(signal)).warnings;
  }

  async health(signal: AbortSignal): Promise<GatewayHealth> {
    const answer = await this.#ask({ kind: 'health' }, answerMs, signal);
    if (answer.kind === 'health') return answer;
    throw refusal(answer, '');
  }

  async upgrade(settings: GatewaySettings, signal: AbortSignal): Promise<GatewayHealth> {
    const upgrading = upgradeGateway({ ...this.#place, settings }, signal).then((running) => {
      this.#running = running;
      this.#place = whereItRuns(this.#place, running);
      return running.health;
    });
    this.#upgrading = upgrading;
    try {
      return await upgrading;
    } finally {
      this.#upgrading = null;
    }
  }

  async renew(host: string | null, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#ask({ kind: 'renew', host }, renewMs, signal);
    if (answer.kind === 'renewed') return answer.found;
    throw refusal(answer, '');
  }

  async close(): Promise<void> {
    this.#closed.abort(new Error('the router is closed'));
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#stopWatching();
    await this.#restarting?.catch(() => {});
  }
}

/** A gateway that is started again must come back where the users are, also when its ports were free to choose. */
const whereItRuns = (place: GatewayPlace, { health: { settings, limits } }: RunningGateway): GatewayPlace => ({
  ...place,
  settings,
  limits,
});

/** A gateway that workers have given a new supervisor counts on; one that was started anew begins at one. */
function restartInWords(before: { readonly pid: number; readonly generation: number }, now: GatewayHealth): string {
  if (now.generation > before.generation) {
    return (
      `The gateway's supervisor (process ${before.pid}) had died; its workers went on and started another one ` +
      `(process ${now.pid}, generation ${now.generation}). No connection was lost by that.`
    );
  }
  return (
    `The gateway (process ${before.pid}) had died with all its processes, and was started again (process ${now.pid}) ` +
    'with its last table. What was open is lost; connections were refused meanwhile.'
  );
}

function refusal(answer: ControlAnswer, service: string): Error {
  if (answer.kind !== 'refused') return new GatewayRefusedError('invalid', `The gateway answered with ${answer.kind}.`);
  if (answer.code === 'stale' && answer.inForce !== null) return new StaleRouterWriteError(service, answer.inForce);
  return new GatewayRefusedError(answer.code, answer.message);
}
