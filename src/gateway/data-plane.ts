import type { Server } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { DrainProgress, RouteInForce } from '../core/route-table.ts';
import type { CurrentSecond, TrafficSecond } from '../core/traffic.ts';

// What one worker of the gateway does, as the supervisor's messages ask for it. Nothing here touches disk or opens a port:
// tables, listening sockets, certificates and challenges come from the supervisor.

/** A listening socket and what comes in by it. */
export type Listener =
  | { readonly name: 'http'; readonly kind: 'public'; readonly redirectToPort: number | null }
  | { readonly name: 'https'; readonly kind: 'public-tls'; readonly http2: boolean; readonly hsts: string | null }
  /** `name` is `internal:` and the service. */
  | { readonly name: string; readonly kind: 'internal'; readonly service: string };

/** Certificates by host name, exact or `*.` pattern; looked up at each handshake, so replacing them cuts nothing. */
export interface CertificateBook {
  /** @param serverName what the client asked for (SNI); null when it asked for nothing. Null: no certificate fits. */
  contextFor(serverName: string | null): SecureContext | null;
  /** Whether a certificate names this host; `contextFor` may give the first one to a host that none names. */
  names(host: string): boolean;
}

export interface DataPlane {
  /**
   * Puts the whole table in force: every request that begins from now on follows it. Synchronous.
   *
   * @param lost the table was damaged and nobody has written since: what has no route is told to try again
   */
  apply(routes: readonly RouteInForce[], lost?: boolean): void;
  /** Accepts connections of a socket that is already listening, until `unlisten` or `retire`. */
  listen(listener: Listener, socket: Server): void;
  unlisten(name: string): void;
  /** Answers for `/.well-known/acme-challenge/TOKEN` on the plain public listener. */
  setChallenges(answers: Readonly<Record<string, string>>): void;

  /** What is in flight to these instances, or to all. */
  progress(instances: ReadonlySet<string> | null): DrainProgress;
  /** As `drain` of the Router; the instances must be out of the table. */
  drain(service: string, instances: ReadonlySet<string>, drainMs: number, signal: AbortSignal): Promise<DrainProgress>;
  /**
   * Another process has taken over: accepts nothing more; each kept connection ends behind its next answer, HTTP/2
   * sessions get GOAWAY; WebSockets and event streams live on for `lingerMs`, then are told 1012. Resolves when nothing
   * is left, or a while after that.
   */
  retire(lingerMs: number): Promise<void>;
  /** As `retire`, but streams are told at once and what is left after `drainMs` is reset. */
  stop(drainMs: number): Promise<{ readonly left: number }>;

  /** Seconds that were closed since they were taken last, of all services. */
  takeClosed(): readonly TrafficSecond[];
  /** The second that is not over. */
  current(service: string): CurrentSecond | null;
  /** Requests and streams in flight, requests waiting in the admission queue, connections of clients. */
  load(): {
    readonly inFlight: number;
    readonly streams: number;
    readonly queued: number;
    readonly connections: number;
  };
  /** Requests waiting in the admission queue, by service; services without any are left out. */
  queues(): Readonly<Record<string, number>>;
}
