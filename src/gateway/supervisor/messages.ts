import type { WorkerLoad } from '../../core/gateway-control.ts';
import type { CertificateSource, GatewaySettings } from '../../core/gateway-settings.ts';
import type { DrainProgress } from '../../core/route-table.ts';
import type { CurrentSecond, TrafficSecond } from '../../core/traffic.ts';
import type { Listener } from '../data-plane.ts';
import type { DayKeyState } from '../edge/day-key.ts';
import type { RateUse } from '../edge/rate-limiter.ts';
import type { StoredTable } from '../table.ts';
import type { CertificateBundle } from '../tls/certificate-bundle.ts';
import type { MergedState } from './merged-counts.ts';

// What the processes of one gateway say to each other. Supervisor and workers: JSON lines over the control socket (HTTP
// upgrade `veza-worker`), since workers outlive a supervisor. Listening sockets: over the IPC channel that a process is born
// with, always from the one that starts it.

/** Raised with every change that an older peer would misunderstand. `hello` and `retire` keep their form for ever. */
export const workerProtocol = 1;

/** What a worker must know before it serves; also what it starts a new supervisor with when it loses its own. */
export interface Assignment {
  readonly settings: GatewaySettings;
  /** Limits other than the defaults. */
  readonly limits: Readonly<Record<string, number>>;
  readonly table: StoredTable;
  readonly certificates: readonly CertificateBundle[];
  readonly challenges: Readonly<Record<string, string>>;
}

export type FromWorker =
  | {
      readonly kind: 'hello';
      readonly protocol: number;
      readonly pid: number;
      /** Of the supervisor that started it. */
      readonly generation: number;
      readonly retired: boolean;
      /** UTC second up to which it has nothing more to report. */
      readonly countedTo: number;
    }
  /** Once a second: it does not hang. */
  | { readonly kind: 'here' }
  /** It has been told to end (SIGTERM) and wants to be replaced first. */
  | { readonly kind: 'leaving' }
  /** Closed seconds; sent again after a reconnect until they are acknowledged by `counted`. */
  | { readonly kind: 'counts'; readonly report: number; readonly seconds: readonly TrafficSecond[] }
  /** Allowance of rate limits that was used since the last one. */
  | { readonly kind: 'use'; readonly use: RateUse }
  | { readonly kind: 'done'; readonly ask: number; readonly answer: WorkerAnswer }
  | { readonly kind: 'failed'; readonly ask: number; readonly message: string };

export type WorkerAnswer = null | DrainProgress | CurrentSecond | WorkerLoad;

/** Answered with `done` or `failed`. */
export type Question =
  | {
      readonly kind: 'begin';
      readonly assignment: Assignment;
      /** Base64. */
      readonly cookieKey: string;
      /** Base64; TLS sessions that began at one worker are resumed at another. Of this supervisor alone, never on disk. */
      readonly ticketKeys: string;
      /** Pseudonyms in the access log are the same in all workers. */
      readonly dayKey: DayKeyState;
      /** Names of the sockets that have been sent. */
      readonly listeners: readonly string[];
    }
  | { readonly kind: 'table'; readonly table: StoredTable }
  /** The socket comes over IPC. */
  | { readonly kind: 'listen'; readonly name: string }
  | { readonly kind: 'unlisten'; readonly name: string }
  | {
      readonly kind: 'drain';
      readonly service: string;
      readonly instances: readonly string[];
      readonly drainMs: number;
    }
  | { readonly kind: 'load' }
  | { readonly kind: 'current'; readonly service: string }
  | { readonly kind: 'certificates'; readonly certificates: readonly CertificateBundle[] }
  | { readonly kind: 'challenges'; readonly challenges: Readonly<Record<string, string>> };

export type ToWorker =
  | { readonly kind: 'ask'; readonly ask: number; readonly question: Question }
  | { readonly kind: 'abort'; readonly ask: number }
  | { readonly kind: 'counted'; readonly report: number }
  | { readonly kind: 'absorb'; readonly use: RateUse }
  | { readonly kind: 'retire'; readonly lingerMs: number }
  | { readonly kind: 'stop'; readonly drainMs: number };

/** IPC, with the listening socket. */
export interface SocketForWorker {
  readonly kind: 'socket';
  readonly listener: Listener;
  readonly host: string;
  readonly port: number;
}

/** From whoever starts a supervisor that takes over (the one in charge, or a worker that lost it) over IPC. */
export type ToSuccessor =
  /** With the listening socket. */
  | { readonly kind: 'socket'; readonly name: string; readonly host: string; readonly port: number }
  /** After the last socket. */
  | {
      readonly kind: 'take-over';
      readonly protocol: number;
      readonly generation: number;
      readonly settings: GatewaySettings;
      readonly limits: Readonly<Record<string, number>>;
      readonly table: StoredTable;
      /** Null when nobody has it any more: workers do not keep it. */
      readonly dayKey: DayKeyState | null;
      /**
       * Somebody asked for the replacement: it is called off when certificates from files cannot be used, other than these,
       * which could not be used before either. Absent when nobody asked: a gateway that lost its supervisor needs one.
       */
      readonly unusableBefore?: readonly CertificateSource[];
    }
  /** After `ready`: nothing is counted by the old one any more. Null when nobody knows (the old one died). */
  | {
      readonly kind: 'counts';
      readonly counts: MergedState | null;
      /** Process ids of the workers that will come, retired ones too. */
      readonly workers: readonly number[];
    };

export type FromSuccessor =
  | { readonly kind: 'ready' }
  /** Control socket, lock and notes are taken over. */
  | { readonly kind: 'in-charge' }
  | { readonly kind: 'failed'; readonly message: string };

export const upgradeToken = 'veza-worker';
