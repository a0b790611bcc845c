import type {
  BuildRequest,
  DeploymentsFilter,
  DeployRequest,
  DownRequest,
  EventsFilter,
  LogsFilter,
  MaintenanceRequest,
  RemovalRequest,
  RollbackRequest,
  RunRequest,
  UpRequest,
} from '../api/requests.ts';
import type {
  BuildProgressView,
  BuildView,
  CheckView,
  DeployAnswer,
  DeploymentView,
  DownProgressView,
  DownView,
  EventView,
  GatewayProgressView,
  GatewayView,
  InfoView,
  LogLineView,
  MaintenanceAnswer,
  ReleaseView,
  RemovalProgressView,
  RemovalView,
  SecretView,
  StatusView,
  UpProgressView,
  UpView,
} from '../api/schemas.ts';
import type {
  ImagePinRequest,
  ImagePinView,
  ImagePushRequest,
  ImagePushView,
  ImageScanProgressView,
  ImageScanRequest,
  ImageScanView,
  ImageVerificationRequest,
  ImageVerificationView,
} from '../api/image-schemas.ts';
import type { ExplanationView } from '../api/explanation-schemas.ts';
import type { ForecastRequest, ForecastView } from '../api/forecast-schemas.ts';
import type { ContractRequest, MigrationProgressView, MigrationsView, UndoRequest } from '../api/migration-schemas.ts';
import type { EvidenceRecord } from '../core/analysis/evidence-record.ts';
import type { Operation } from '../core/rollout/operation.ts';

/**
 * What the HTTP API is a face of. `null` for an environment means the platform's default one. Whatever a person did wrong
 * is thrown as a VezaError: an unknown environment, service, deployment or release names the known ones. `by` is who asks.
 * A method with a signal stops its work when the signal aborts (the client went away); one without goes on.
 */
export interface ControlPlane {
  info(): Promise<InfoView>;
  status(environment: string | null): Promise<StatusView>;
  gateway(environment: string | null): Promise<GatewayView>;
  /** Resolves when the new one is in charge; the old one finishes what it has begun behind it. */
  upgradeGateway(environment: string | null, onProgress: (progress: GatewayProgressView) => void): Promise<GatewayView>;
  /** Tries to replace certificates now: those for a host, or all. What came of it is in the view. */
  renewCertificates(
    environment: string | null,
    host: string | null,
    onProgress: (progress: GatewayProgressView) => void,
  ): Promise<GatewayView>;
  /** Newest first. */
  deployments(filter: DeploymentsFilter): Promise<readonly DeploymentView[]>;
  /** By id (`dep_12`), its number (`12`), or `latest`. */
  deployment(id: string): Promise<DeploymentView>;
  /** What its verdicts were computed from, a record a leg. @throws EvidenceNotKeptError when there is none (any more) */
  evidence(id: string): Promise<readonly EvidenceRecord[]>;
  /** Why it was judged as it was, as far as that is known; also while it runs. */
  explanation(id: string, signal: AbortSignal): Promise<ExplanationView>;
  /** What a deployment now would do; nothing is built, nothing is touched. */
  forecast(environment: string | null, request: ForecastRequest, signal: AbortSignal): Promise<ForecastView>;
  /** Resolves when the deployments are journalled, not when they end. */
  deploy(request: DeployRequest, by: string): Promise<DeployAnswer>;
  /** Brings services of an environment back to a release, by new deployments of kind `rollback`. */
  rollback(request: RollbackRequest, by: string): Promise<DeployAnswer>;
  /** Throws the refusal, with what to do instead. `retry` may answer with a new deployment. */
  operate(id: string, operation: Operation, by: string): Promise<DeploymentView>;
  /**
   * Takes away what is live and not declared any more; resolves when nothing of it runs. A client that goes away ends the
   * waiting alone. @throws RemovalRefusedError
   */
  removeService(
    request: RemovalRequest,
    by: string,
    onProgress: (progress: RemovalProgressView) => void,
    signal: AbortSignal,
  ): Promise<RemovalView>;
  /** Newest first; null means of every service. */
  releases(service: string | null): Promise<readonly ReleaseView[]>;
  build(
    request: BuildRequest,
    by: string,
    onProgress: (progress: BuildProgressView) => void,
    signal: AbortSignal,
  ): Promise<BuildView>;
  /** Journal entries after `afterSeq`, oldest first; ends at the newest unless `filter.follow`. */
  events(afterSeq: number, filter: EventsFilter, signal: AbortSignal): AsyncIterable<EventView>;
  /** A view at once, on every change, and at least once a second while active; ends after the final one. */
  watch(id: string, signal: AbortSignal): AsyncIterable<DeploymentView>;
  logs(filter: LogsFilter, signal: AbortSignal): AsyncIterable<LogLineView>;
  /** A one-off admin process with a release's code and configuration; resolves to its exit status. */
  run(
    request: RunRequest,
    by: string,
    onOutput: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void,
    signal: AbortSignal,
  ): Promise<number>;
  /** Makes images where there are none yet. */
  scanImages(
    request: ImageScanRequest,
    onProgress: (progress: ImageScanProgressView) => void,
    signal: AbortSignal,
  ): Promise<readonly ImageScanView[]>;
  /** What the registry has already is not sent again. @throws ImageRefusedError, RegistryRefusedError, RegistryUnreachableError */
  pushImages(
    request: ImagePushRequest,
    onProgress: (progress: ImageScanProgressView) => void,
    signal: AbortSignal,
  ): Promise<readonly ImagePushView[]>;
  /** @throws ImageNotThereError, RegistryRefusedError, RegistryUnreachableError */
  pinImage(request: ImagePinRequest, signal: AbortSignal): Promise<ImagePinView>;
  /** @throws ImageUnverifiedError, RegistryRefusedError, RegistryUnreachableError */
  verifyImage(request: ImageVerificationRequest, signal: AbortSignal): Promise<ImageVerificationView>;
  /** Journaled, then put in force; holds until it is taken back. @throws NotRoutedError */
  maintenance(
    environment: string | null,
    service: string,
    request: MaintenanceRequest,
    by: string,
  ): Promise<MaintenanceAnswer>;
  /** Of one live service, or of all that have some. @throws NoMigrationsError, NotDeployedError */
  migrations(
    environment: string | null,
    service: string | null,
    signal: AbortSignal,
  ): Promise<readonly MigrationsView[]>;
  /** Aborting the signal ends it between two migrations, or undoes the one under way. @throws ContractRefusedError */
  contractMigrations(
    request: ContractRequest,
    by: string,
    onProgress: (progress: MigrationProgressView) => void,
    signal: AbortSignal,
  ): Promise<MigrationsView>;
  /** The same for taking back. @throws UndoRefusedError */
  undoMigrations(
    request: UndoRequest,
    by: string,
    onProgress: (progress: MigrationProgressView) => void,
    signal: AbortSignal,
  ): Promise<MigrationsView>;
  /** Set ones and ones that are referred to but missing; never a value. */
  secrets(environment: string | null): Promise<readonly SecretView[]>;
  setSecret(environment: string | null, name: string, value: string, by: string): Promise<SecretView>;
  /** What only a running control plane can say: drivers' limitations, gateways, resources, journal. */
  doctor(): Promise<readonly CheckView[]>;
  /** Starts what was taken down; what was live there comes up behind the answer. */
  up(request: UpRequest, onProgress: (progress: UpProgressView) => void): Promise<UpView>;
  /** Stops instances, gateways and resources. With `controlPlaneEnds` the process ends once the answer is sent. */
  down(request: DownRequest, by: string, onProgress: (progress: DownProgressView) => void): Promise<DownView>;
}
