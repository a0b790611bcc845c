/** What may be said about a secret: everything but its value. */
export interface SecretInfo {
  readonly name: string;
  /** The current version; 1 is the first. */
  readonly version: number;
  /** Versions that can still be read, oldest first. */
  readonly kept: readonly number[];
  /** UTC milliseconds. */
  readonly updatedAt: number;
}

export interface SetOptions {
  /** Check-and-set: the version that is expected now, 0 for a secret that must not exist yet. */
  readonly cas?: number;
}

/**
 * The secrets of one environment. No value ever appears in an error, a log line or the inspection of an object.
 */
export interface Secrets {
  /**
   * The current value, or that of a kept version; undefined when there is none.
   *
   * @throws SecretStoreError when the store cannot be read: never taken for "not set".
   */
  get(name: string, version?: number): Promise<string | undefined>;
  /**
   * Sets one secret and touches no other. Returns its new version.
   *
   * @throws SecretConflictError when `cas` is not the current version; SecretRefusedError for a name or value that cannot
   *   be; SecretStoreError when the store cannot be written.
   */
  set(name: string, value: string, options?: SetOptions): Promise<number>;
  /** All secrets, by name. */
  list(): Promise<readonly SecretInfo[]>;
}

/** What a driver gets from the control plane. */
export interface SecretsContext {
  readonly environment: string;
  /** Folder for the files of all environments; made when needed. */
  readonly directory: string;
  /** UTC milliseconds. */
  readonly now: () => number;
}
