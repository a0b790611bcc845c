import type {
  ForecastGateView,
  ForecastRequest,
  ForecastView,
  ServiceForecastView,
} from '../../api/forecast-schemas.ts';
import { commitsBetween } from '../../build/commits-between.ts';
import type { ReleaseCatalog } from '../../build/release-catalog.ts';
import { findSource, type Source } from '../../build/source.ts';
import { forecastRollout } from '../../core/analysis/forecast-rollout.ts';
import { outlookOf } from '../../core/analysis/forecast-traffic.ts';
import { configurationChanges } from '../../core/release/changes.ts';
import type { Release, ReleaseId } from '../../core/release/release.ts';
import { planDeployment } from '../../core/rollout/plan-deployment.ts';
import { isCommitted } from '../../core/rollout/state.ts';
import type { Environment, Service } from '../../core/spec/platform.ts';
import type { Digest } from '../../core/units/quantities.ts';
import { judgeSettingsOf } from '../../engine/analyst-settings.ts';
import { createPolicy } from '../../engine/policy.ts';
import type { RunningEngine } from '../../engine/start.ts';
import { UnknownNameError, VezaError } from '../../errors.ts';
import type { ReleaseShelf } from './release-shelf.ts';

export interface ForecastParts {
  readonly projectDir: string;
  readonly running: Pick<RunningEngine, 'ledger' | 'evidence'>;
  readonly catalog: Pick<ReleaseCatalog, 'list'>;
  readonly shelf: Pick<ReleaseShelf, 'has' | 'get'>;
}

const WEEK_MINUTES = 7 * 24 * 60;
const MINUTE_MS = 60_000;

/** Says what a deployment of these services would do now, and what it would wait for. Nothing is built, nothing is touched. */
export async function forecast(
  parts: ForecastParts,
  environment: Environment,
  request: ForecastRequest,
  signal: AbortSignal,
): Promise<ForecastView> {
  const names = request.services.length === 0 ? Object.keys(environment.services) : request.services;
  const services: ServiceForecastView[] = [];
  const gates: ForecastGateView[] = [];
  for (const name of new Set(names)) {
    const service = environment.services[name];
    if (service === undefined) throw new UnknownNameError('service', name, Object.keys(environment.services));
    const found = await findNext(parts, environment, service, signal);
    services.push(serviceForecast(parts, environment, service, request.strategy, found));
    gates.push(...gatesOf(parts, environment, service, found));
  }
  const isMoving = services.some(({ next }) => next !== null);
  if (environment.gates.approval && isMoving)
    gates.push({
      service: null,
      gate: 'approval',
      state: 'waits',
      text: `a person must approve before anything starts in ${environment.name}`,
      hint: '`veza approve`',
    });
  return { environment: environment.name, services, gates };
}

/** What `veza deploy` would bring. */
interface Next {
  readonly live: Release | null;
  readonly source: Source | null;
  /** Why the source cannot be looked at, as a failure of `veza deploy` would say it. */
  readonly trouble: VezaError | null;
  readonly commits: readonly { readonly commit: string; readonly subject: string }[];
  readonly configuration: readonly string[];
  readonly isUnchanged: boolean;
  /** Built already, from the same commit and clean; null when it would be built. */
  readonly built: Release | null;
}

/** Null when it has been collected. */
const kept = ({ shelf }: ForecastParts, id: string): Release | null =>
  shelf.has(id) ? shelf.get(id as ReleaseId) : null;

async function findNext(
  parts: ForecastParts,
  environment: Environment,
  service: Service,
  signal: AbortSignal,
): Promise<Next> {
  const { live: liveRef } = parts.running.ledger.record(environment.name, service.name);
  const live = liveRef === null ? null : kept(parts, liveRef.release);
  const declared = live?.config[environment.name];
  const configuration = declared === undefined ? [] : configurationChanges(declared, service, []).map(({ key }) => key);
  const { projectDir } = parts;
  const folder = service.source;
  try {
    const source = await findSource({ projectDir, folder, service: service.name, dirty: true }, signal);
    const between =
      live === null ? null : await commitsBetween({ projectDir, folder, from: live.commit, to: source.commit }, signal);
    const added = between?.added ?? [];
    const isClean = source.changes.length === 0;
    const isUnchanged =
      live !== null &&
      !live.dirty &&
      isClean &&
      configuration.length === 0 &&
      (live.commit === source.commit || (between !== null && added.length + between.removed.length === 0));
    const built = isClean
      ? ((await parts.catalog.list(service.name)).find(
          ({ release: { commit, dirty } }) => commit === source.commit && !dirty,
        )?.release ?? null)
      : null;
    const commits = added.map(({ commit, subject }) => ({ commit, subject }));
    return { live, source, trouble: null, commits, configuration, isUnchanged, built };
  } catch (error) {
    if (!(error instanceof VezaError)) throw error;
    return { live, source: null, trouble: error, commits: [], configuration, isUnchanged: false, built: null };
  }
}

function serviceForecast(
  parts: ForecastParts,
  environment: Environment,
  service: Service,
  strategy: ForecastRequest['strategy'],
  { live, source, commits, configuration, isUnchanged, built }: Next,
): ServiceForecastView {
  const plan = planDeployment(
    {
      id: parts.running.ledger.nextId,
      environment: environment.name,
      kind: 'planned',
      order: 'together',
      requestedBy: '',
      gates: environment.gates,
      wanted: [{ release: built ?? toBeBuilt(service, source), service }],
      strategy,
    },
    (name) => parts.running.ledger.record(environment.name, name),
  );
  const [leg] = plan.legs;
  const [group] = plan.groups;
  if (leg === undefined || group === undefined) throw new RangeError(`the plan of ${service.name} has no leg`);
  const toMinute = Math.floor(Date.now() / MINUTE_MS);
  const traffic = outlookOf(parts.running.evidence.minutes(environment.name, service.name, toMinute - WEEK_MINUTES));
  const settings = judgeSettingsOf(service.strategy);
  const next =
    isUnchanged || source === null
      ? null
      : { release: built?.id ?? null, commit: source.commit, subject: source.subject, changes: source.changes };
  return {
    service: service.name,
    strategy: leg.strategy,
    analysis: settings.analysis.word,
    instances: service.instances,
    live: live === null ? null : { release: live.id, commit: live.commit, subject: live.subject },
    next,
    commits,
    configuration,
    traffic: traffic && {
      minutes: traffic.minutes,
      from: traffic.from * MINUTE_MS,
      to: traffic.to * MINUTE_MS,
      typical: { requestsPerSecond: traffic.typical.requestsPerSecond, errorShare: traffic.typical.errorShare },
      quiet: { requestsPerSecond: traffic.quiet.requestsPerSecond, errorShare: traffic.quiet.errorShare },
    },
    ...forecastRollout({ plan, group, leg, settings, traffic }),
  };
}

/** A release as it would be called, for the plan alone: nothing of it is known but where it comes from. */
const toBeBuilt = (service: Service, source: Source | null): Release => ({
  id: 'rel_to-be-built' as ReleaseId,
  service: service.name,
  artifact: '' as Digest,
  artifactBytes: 0,
  configuration: '' as Digest,
  config: {},
  source: '' as Digest,
  commit: source?.commit ?? '',
  subject: source?.subject ?? '',
  dirty: (source?.changes.length ?? 0) > 0,
  builder: '',
  builtAt: 0,
});

function gatesOf(
  parts: ForecastParts,
  environment: Environment,
  service: Service,
  next: Next,
): readonly ForecastGateView[] {
  if (next.isUnchanged) return [];
  const { name } = service;
  const gates: ForecastGateView[] = [];
  const add = (gate: Omit<ForecastGateView, 'service'>): void => void gates.push({ service: name, ...gate });
  if (next.trouble !== null)
    add({ gate: 'source', state: 'refuses', text: next.trouble.message, hint: next.trouble.hint });
  else if (next.source !== null && next.source.changes.length > 0)
    add({
      gate: 'source',
      state: 'refuses',
      text: `${name} has changes that are not committed: ${next.source.changes.slice(0, 3).join(', ')}${next.source.changes.length > 3 ? ' …' : ''}`,
      hint: environment.gates.allowDirty ? 'Commit them, or `veza deploy --dirty`.' : 'Commit them.',
    });
  const { requires } = environment.gates;
  if (next.built !== null) add(policyGate(parts, environment, next.built));
  else if (requires !== null)
    add({
      gate: 'requires',
      state: 'refuses',
      text: `what is built of ${name} now has not succeeded in ${requires}, which ${environment.name} requires`,
      hint: `Deploy it there first: \`veza deploy ${name} -e ${requires}\`.`,
    });
  for (const state of parts.running.ledger.active()) {
    const isSame = state.plan.environment === environment.name && state.plan.legs.some((leg) => leg.service === name);
    if (!isSame || isCommitted(state)) continue;
    const { id } = state.plan;
    const what = {
      supersede: { state: 'waits', text: `${id} is under way (${state.phase}): it would be taken back first` },
      queue: { state: 'waits', text: `${id} is under way (${state.phase}): this one would wait for its end` },
      refuse: { state: 'refuses', text: `${id} is under way (${state.phase}), and ${name} takes one at a time` },
    } as const;
    add({ gate: 'active', ...what[service.strategy.onNew], hint: `\`veza watch ${id}\`` });
  }
  if (service.gates.migrations !== null)
    add({
      gate: 'migrations',
      state: 'passes',
      text: `expand migrations of ${service.gates.migrations.directory} on ${service.gates.migrations.resource}, under its lock`,
      hint: null,
    });
  if (service.gates.smoke.length > 0)
    add({
      gate: 'smoke',
      state: 'passes',
      text: `smoke tests before any user: ${service.gates.smoke.map((check) => check.name).join(', ')}`,
      hint: null,
    });
  return gates;
}

function policyGate(
  parts: ForecastParts,
  environment: Environment,
  release: Release,
): Omit<ForecastGateView, 'service'> {
  const { requires } = environment.gates;
  try {
    createPolicy(parts.running.ledger, (id) => kept(parts, id)?.artifact ?? null).check(
      environment,
      release,
      'planned',
    );
  } catch (error) {
    if (!(error instanceof VezaError)) throw error;
    return { gate: requires === null ? 'policy' : 'requires', state: 'refuses', text: error.message, hint: error.hint };
  }
  return requires === null
    ? { gate: 'policy', state: 'passes', text: `${release.id.slice(0, 12)} may go to ${environment.name}`, hint: null }
    : { gate: 'requires', state: 'passes', text: `the same artifact has succeeded in ${requires}`, hint: null };
}
