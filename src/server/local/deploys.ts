import type { DeployAnswer, DeploymentView } from '../../api/schemas.ts';
import type { DeployRequest, RollbackRequest } from '../../api/requests.ts';
import type { Claims } from '../../build/claims.ts';
import type { ReleaseCatalog } from '../../build/release-catalog.ts';
import type { Release } from '../../core/release/release.ts';
import type { Ledger } from '../../core/rollout/ledger.ts';
import { planDeployment, type PlanRequest, type WantedRelease } from '../../core/rollout/plan-deployment.ts';
import type { DeploymentState } from '../../core/rollout/state.ts';
import { dependencyOrder } from '../../core/rollout/train.ts';
import type { Environment, Strategy } from '../../core/spec/platform.ts';
import type { Name } from '../../core/units/quantities.ts';
import type { Engine } from '../../engine/engine.ts';
import type { MigrationDesk } from './migration-desk.ts';
import { checkRouteIsFree, type FindRelease } from './route-owners.ts';
import {
  ConfigurationMissingError,
  NothingToRollBackError,
  RequestInvalidError,
  UnknownNameError,
} from '../../errors.ts';

export interface DeployParts {
  readonly ledger: Ledger;
  readonly engine: Engine;
  readonly catalog: ReleaseCatalog;
  readonly claims: Claims;
  readonly release: FindRelease;
  /** Whether a release could run on the database as it is. */
  readonly migrations: Pick<MigrationDesk, 'check'>;
  view(state: DeploymentState): DeploymentView;
}

interface Wish {
  readonly environment: Environment;
  readonly releases: readonly Release[];
  readonly order: DeployRequest['order'];
  readonly kind: PlanRequest['kind'];
  readonly strategy: Strategy['kind'] | null;
  readonly force: boolean;
  readonly by: string;
}

/** Deploys the releases asked for: one deployment a service, or one train. */
export async function deploy(
  parts: DeployParts,
  environment: Environment,
  request: DeployRequest,
  by: string,
): Promise<DeployAnswer> {
  const releases: Release[] = [];
  for (const id of request.releases) releases.push(await parts.catalog.get(id, null));
  const twice = releases.find(
    (release, index) => releases.findIndex(({ service }) => service === release.service) !== index,
  );
  if (twice !== undefined) {
    throw new RequestInvalidError([
      { path: 'releases', message: `names two releases of ${twice.service}; one a service` },
    ]);
  }
  const { order, kind, strategy, force } = request;
  await checkDatabase(parts, environment, releases, kind);
  return begin(parts, { environment, releases, order, kind, strategy, force, by });
}

/** Back to the release before (or a given one), as a deployment of its own. */
export async function rollback(
  parts: DeployParts,
  environment: Environment,
  request: RollbackRequest,
  by: string,
): Promise<DeployAnswer> {
  const named = request.services.length === 0 ? deployedServices(parts.ledger, environment) : request.services;
  const releases: Release[] = [];
  for (const service of named) {
    if (environment.services[service] === undefined) {
      throw new UnknownNameError('service', service, Object.keys(environment.services));
    }
    const { history } = parts.ledger.record(environment.name, service);
    const target = request.release ?? history[1];
    if (target === undefined) {
      // Of all services, those that have nothing to go back to stay where they are.
      if (request.services.length === 0) continue;
      throw new NothingToRollBackError(service, environment.name);
    }
    releases.push(await parts.catalog.get(target, service as Name));
  }
  if (releases.length === 0) throw new NothingToRollBackError(null, environment.name);
  await checkDatabase(parts, environment, releases, 'rollback');
  const order = releases.length > 1 ? 'together' : 'separate';
  return begin(parts, { environment, releases, order, kind: 'rollback', strategy: null, force: false, by });
}

/** An ended deployment again: the same releases, as a new one. */
export async function again(
  parts: DeployParts,
  environment: Environment,
  state: DeploymentState,
  by: string,
): Promise<DeploymentView | null> {
  const releases: Release[] = [];
  for (const leg of state.plan.legs) releases.push(await parts.catalog.get(leg.candidate.release, leg.service as Name));
  const { kind, order } = state.plan;
  await checkDatabase(parts, environment, releases, kind);
  const [first] = state.plan.legs;
  const wish: Wish = { environment, releases, order, kind, strategy: first?.strategy ?? null, force: true, by };
  const { deployments } = begin(parts, releases.length === 1 ? { ...wish, order: 'separate' } : wish);
  return deployments[0] ?? null;
}

/** @throws OldFormGoneError, MigrationUndoneError: before anything has begun */
async function checkDatabase(
  { migrations }: DeployParts,
  { name }: Environment,
  releases: readonly Release[],
  kind: PlanRequest['kind'],
): Promise<void> {
  for (const release of releases) {
    const service = release.config[name];
    if (service !== undefined) await migrations.check(name, service, release, kind, never);
  }
}

const never = new AbortController().signal;

const deployedServices = (ledger: Ledger, environment: Environment): readonly string[] =>
  Object.keys(environment.services).filter((service) => ledger.record(environment.name, service).live !== null);

function begin(parts: DeployParts, wish: Wish): DeployAnswer {
  const { environment, force } = wish;
  const unchanged: { service: string; release: string }[] = [];
  const wanted: WantedRelease[] = [];
  for (const release of wish.releases) {
    const service = release.config[environment.name];
    if (service === undefined) throw new ConfigurationMissingError(release.id, release.service, environment.name);
    const { live } = parts.ledger.record(environment.name, release.service);
    if (live?.release === release.id && !force) unchanged.push({ service: release.service, release: release.id });
    else wanted.push({ release, service });
  }
  for (const { release } of wanted) checkRouteIsFree(parts.ledger, environment, release, parts.release);
  const sorted = inDependencyOrder(wanted);
  const batches = wish.order === 'separate' ? sorted.map((one) => [one]) : sorted.length === 0 ? [] : [sorted];
  const deployments = batches.map((batch) => {
    const same = force ? null : underWay(parts.ledger, environment.name, batch);
    return parts.view(same ?? start(parts, wish, batch));
  });
  return { deployments, unchanged };
}

/**
 * The deployment that is bringing exactly these releases live already: asked for once more it goes on, instead of being
 * taken back in favour of its own twin.
 */
export function underWay(
  ledger: Ledger,
  environment: string,
  batch: readonly { readonly release: Pick<Release, 'id' | 'service'> }[],
): DeploymentState | null {
  const brings = ({ plan }: DeploymentState): boolean =>
    plan.environment === environment &&
    plan.legs.length === batch.length &&
    batch.every(({ release }) =>
      plan.legs.some((leg) => leg.service === release.service && leg.candidate.release === release.id),
    );
  const goesOn = (state: DeploymentState): boolean =>
    state.committedAt === null && state.supersededBy === null && state.phase !== 'reverting' && state.phase !== 'stuck';
  return ledger.active().find((state) => goesOn(state) && brings(state)) ?? null;
}

function start(parts: DeployParts, wish: Wish, batch: readonly WantedRelease[]): DeploymentState {
  const { ledger, claims, engine } = parts;
  const { environment } = wish;
  // Until the journal names them, only the claim keeps the releases from being collected.
  const letGo = batch.map(({ release }) => claims.use(release.id));
  try {
    const plan = planDeployment(
      {
        id: ledger.nextId,
        environment: environment.name,
        kind: wish.kind,
        order: wish.order === 'in-order' ? 'in-order' : 'together',
        requestedBy: wish.by,
        gates: environment.gates,
        wanted: batch,
        strategy: wish.strategy,
      },
      (service) => ledger.record(environment.name, service),
    );
    return engine.request(plan);
  } finally {
    for (const done of letGo) done();
  }
}

function inDependencyOrder(wanted: readonly WantedRelease[]): readonly WantedRelease[] {
  const byService = new Map(wanted.map((one) => [one.service.name as string, one]));
  const names = dependencyOrder([...byService.keys()], (service) => byService.get(service)?.service.dependencies ?? []);
  return names.flatMap((name) => byService.get(name) ?? []);
}
