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
}

/** `expand`: before a release starts, and harmless for the one that runs. `contract`: by itself, after nobody needs the old. */
export type MigrationPhase = 'expand' | 'contract';

export interface MigrationRequest {
  /** Folder with the files `NNNN_name.expand.sql` and `NNNN_name.contract.sql`. */
  readonly directory: string;
  readonly phase: MigrationPhase;
  /** Recorded with each migration that is applied; null for none. */
  readonly release: string | null;
}

export type MigrationProgress =
  /** Another runner is at work; this one waits for it. */
  | { readonly kind: 'waiting' }
  | { readonly kind: 'applying'; readonly file: string; readonly number: number; readonly of: number }
  | { readonly kind: 'applied'; readonly file: string; readonly durationMs: number };

export interface MigrationReport {
  /** In the order in which they were applied; empty when there was nothing to do. */
  readonly applied: readonly { readonly file: string; readonly durationMs: number }[];
  /** How many of this phase had been applied before. */
  readonly alreadyApplied: number;
  /** Migrations in the database that are newer than the folder: a later release has been here, and was taken back. */
  readonly ahead: readonly string[];
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
  /**
   * Applies what is pending of one phase, in order. Idempotent; a second runner waits for the first and then finds nothing
   * to do. What was applied before a failure or an abort stays applied.
   *
   * @throws MigrationFilesError listing every mistake in the folder, before anything is applied.
   * @throws MigrationFailedError naming file and line; `retryable` tells whether trying again can help.
   * @throws ResourceUnavailableError; the signal's reason when aborted.
   */
  migrate(
    request: MigrationRequest,
    signal: AbortSignal,
    onProgress: (progress: MigrationProgress) => void,
  ): Promise<MigrationReport>;
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
  /** Port on 127.0.0.1 for an embedded resource; the caller keeps it the same from start to start. */
  readonly port: number;
  /** The value of a secret of this environment. @throws MissingSecretError */
  readonly secret: (name: string) => Promise<string>;
}
