import type { MigrationRunner } from './migrations.ts';

/** What is known about a resource now. */
export interface ResourceStatus {
  /** `unready`: it is there but does not answer as it should; `reason` says why. */
  readonly state: 'ready' | 'unready' | 'stopped';
  /** Host and port, without credentials. */
  readonly address: string;
  /** Process id on this machine; null when it is not ours or not running. */
  readonly pid: number | null;
  /** Version that it reports itself; null when it does not answer. */
  readonly version: string | null;
  readonly reason: string | null;
}

/** How a service reaches the resource. Holds credentials: never logged. */
export interface ResourceConnection {
  readonly url: string;
  /** Variables for the environment of an instance, for example `DATABASE_URL`. */
  readonly environment: Readonly<Record<string, string>>;
  /** Folders of this machine that instances read and write; absent: none. */
  readonly folders?: readonly string[];
}

/**
 * A backing service of one environment. Every method may be called again with the same arguments, also by another process
 * after a crash, and then means the same request.
 */
export interface ResourceDriver {
  /**
   * Makes the resource ready; adopts one that runs already. What it starts outlives this process.
   *
   * @throws ResourceUnavailableError saying what stands in the way; the signal's reason when aborted.
   */
  start(signal: AbortSignal): Promise<void>;
  status(): Promise<ResourceStatus>;
  /** Known before the resource is started, so that a configuration can be computed without it. */
  connection(): Promise<ResourceConnection>;
  /** Changes its schema; null for kinds that have none. */
  readonly migrations: MigrationRunner | null;
  /** Stops what `start` started, data kept; resolves when it is gone. Does nothing to a resource that is not ours. */
  stop(signal: AbortSignal): Promise<void>;
}

/** What a driver gets from the control plane beside the declaration. */
export interface ResourceContext {
  readonly environment: string;
  /** Folder of this resource in this environment, for its data and credentials; made when needed. */
  readonly directory: string;
  /** Folder shared by all resources of this state folder, for programs that have to be unpacked; made when needed. */
  readonly cacheDirectory: string;
  /** Address of this machine that instances reach it at: an embedded resource listens there. */
  readonly host: string;
  /** Port for an embedded resource; the caller keeps it the same from start to start. */
  readonly port: number;
  /** The value of a secret of this environment. @throws MissingSecretError */
  readonly secret: (name: string) => Promise<string>;
}
