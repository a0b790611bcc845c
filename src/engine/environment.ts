import type { Release, ReleaseId } from '../core/release/release.ts';
import type { DeploymentKind } from '../core/rollout/plan.ts';
import type { Environment, Service, SmokeCheck } from '../core/spec/platform.ts';
import type { Router } from '../drivers/router/router.ts';
import type { Runtime } from '../drivers/runtime/runtime.ts';

/** What the engine needs of one environment: its declaration, and who acts for it. */
export interface EnvironmentParts {
  readonly declared: Environment;
  readonly runtime: Runtime;
  readonly router: Router;
  readonly configuration: Configuration;
  readonly migrations: Migrations;
  readonly smoke: SmokeTests;
  /** Port of a service's internal address, which is on the runtime's `machine`. */
  internalPort(service: string): number;
  /** Gives a service that has been declared since an internal address. */
  ensureAddress(service: string): Promise<void>;
}

/**
 * Everything an instance's environment holds, secrets resolved. Placeholders stand for what only the runtime knows; what is
 * to be taken as it is (secrets, addresses) is written so that filling them in gives it back.
 */
export interface Configuration {
  /** @throws MissingSecretError naming service and reference. */
  variables(service: Service, signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** What an instance gets beside its variables. */
  attachments(service: Service): Promise<Attachments>;
}

export interface Attachments {
  /** Folders of this machine that instances read and write: data of the service, and resources that are folders. */
  readonly folders: readonly string[];
  /** Names of the variables whose values nobody may see. */
  readonly secrets: readonly string[];
}

export interface Migrations {
  /**
   * Could the release run on the database as it is? Asked of the journal, not of the database: a rollback must not wait for one
   * that is away.
   *
   * @throws OldFormGoneError, MigrationUndoneError
   */
  check(service: Service, release: Release, kind: DeploymentKind, signal: AbortSignal): Promise<void>;
  /** Applies the expand and migrate migrations that a release brings; returns what was applied, for people. */
  apply(service: Service, release: Release, artifactDir: string, signal: AbortSignal): Promise<readonly string[]>;
}

export interface SmokeTests {
  /** @throws SmokeTestFailedError saying what was expected and what came. */
  run(check: SmokeCheck, target: SmokeTarget, signal: AbortSignal): Promise<void>;
}

export interface SmokeTarget {
  readonly service: string;
  /** The candidate's: an answer of another release proves nothing. */
  readonly release: string;
  /** Internal address of the router; `headers` lead to the candidate. */
  readonly previewUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly artifactDir: string;
  readonly variables: Readonly<Record<string, string>>;
}

/** Releases and their artifacts, shared by all environments. */
export interface Releases {
  /** @throws ReleaseNotFoundError */
  get(id: ReleaseId): Release;
  /** Digest of a release's artifact; null when the release has been collected. */
  artifactOf(id: string): string | null;
  /** Verifies the artifact and gives the folder it is unpacked in. @throws ArtifactChangedError */
  unpack(release: Release, signal: AbortSignal): Promise<string>;
}
