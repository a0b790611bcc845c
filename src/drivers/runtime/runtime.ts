import type { ReleaseId } from '../../core/release/release.ts';
import type { SlotRef } from '../../core/slot.ts';
import type { Health, RestartPolicy } from '../../core/spec/platform.ts';
import type { Bytes, Command } from '../../core/units/quantities.ts';

/** What a slot shall run. Applying the same desire twice changes nothing. */
export interface SlotDesire {
  readonly ref: SlotRef;
  readonly release: ReleaseId;
  /** Folder of the unpacked, verified artifact; read-only. */
  readonly artifactDir: string;
  /** The deployment that brought it here, for VEZA_DEPLOYMENT; absent when nobody knows. */
  readonly deployment?: string;
  /** With placeholders ({PORT}, {HOST}, {DATA}, {METRICS_PORT}), filled in for each instance by `fillPlaceholders` of src/core/spec. */
  readonly run: Command;
  readonly instances: number;
  /** Each instance gets a second port, METRICS_PORT, which no router is ever told; absent: it does not. */
  readonly metrics?: boolean;
  /**
   * Everything an instance's environment holds, secrets resolved; the runtime adds PORT, HOST, METRICS_PORT and VEZA_* and nothing else.
   * Placeholders are filled in as in `run`; {DATA} is what VEZA_DATA holds.
   */
  readonly environment: Readonly<Record<string, string>>;
  /** Names in `environment` whose values nobody may see; absent: none. */
  readonly secrets?: readonly string[];
  /** Folders of this machine that instances may write to, at the same path inside; absent: none. */
  readonly folders?: readonly string[];
  readonly health: Health;
  readonly restart: RestartPolicy;
  readonly stopGraceMs: number;
  readonly limits: { readonly memory: Bytes | null; readonly cpus: number | null };
}

export type InstanceState = 'starting' | 'ready' | 'unready' | 'backing-off' | 'crash-looping' | 'stopping';

export interface InstanceStatus {
  readonly id: string;
  readonly state: InstanceState;
  readonly address: { readonly host: string; readonly port: number };
  /** Where its metrics are, for whoever reads them on this machine; absent when it has no port for them. */
  readonly metrics?: { readonly host: string; readonly port: number };
  readonly pid: number | null;
  readonly startedAt: number;
  readonly restarts: number;
  /** Why it is not ready, or why it last exited, in words for people: "exited with status 1 after 0.3 s: …last line…". */
  readonly reason: string | null;
}

export interface SlotStatus {
  readonly ref: SlotRef;
  readonly release: ReleaseId;
  readonly wanted: number;
  readonly instances: readonly InstanceStatus[];
}

export interface LogLine {
  /** UTC milliseconds. */
  readonly time: number;
  readonly instance: string;
  readonly release: ReleaseId;
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

export interface LogQuery {
  readonly environment: string;
  readonly service: string;
  /** Only the last so many lines before following. */
  readonly tail: number;
  readonly follow: boolean;
}

export interface OneOff {
  readonly id: string;
  readonly artifactDir: string;
  readonly command: Command;
  readonly environment: Readonly<Record<string, string>>;
  /** As in a slot's desire. */
  readonly secrets?: readonly string[];
  readonly folders?: readonly string[];
  readonly onOutput: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void;
}

/**
 * Runs instances. Every method may be called again with the same arguments after a crash and then means the same request.
 * Instances outlive the control plane; a new runtime object on the same state finds and adopts them.
 */
export interface Runtime {
  /** Address of this machine as its instances reach it: what runs beside them listens there. */
  readonly machine: string;
  /** What this machine cannot do of what was asked, in words (for `doctor` and for `preparing`); empty when all is well. */
  limitations(): Promise<readonly string[]>;
  /** Checks that `count` more instances of this size fit (free ports, memory). Throws CapacityError naming what is short. */
  reserve(desire: SlotDesire, count: number, signal: AbortSignal): Promise<void>;
  /** Makes the slot run what is desired: starts, stops surplus, restarts what dies. Resolves when accepted, not when ready. */
  apply(desire: SlotDesire, signal: AbortSignal): Promise<void>;
  /** Stops every instance of the slot (SIGTERM, grace, SIGKILL) and forgets it. Resolves when all are gone. */
  remove(ref: SlotRef, signal: AbortSignal): Promise<void>;
  /** All slots this runtime knows, adopted ones included. */
  observe(signal: AbortSignal): Promise<readonly SlotStatus[]>;
  /** Calls back on every change of a slot's status until the returned function is called. */
  subscribe(listener: (status: SlotStatus) => void): () => void;
  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>;
  /** Runs a one-off admin process to its end; returns its exit status. Aborting the signal stops it. */
  run(oneOff: OneOff, signal: AbortSignal): Promise<number>;
  /** Takes away what the environment as a whole has, such as its network, once nothing of it runs. May be repeated. */
  dismantle(signal: AbortSignal): Promise<void>;
  /** Stops supervising; instances keep running. */
  close(): Promise<void>;
}
