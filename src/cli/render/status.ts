import type { DeploymentView, ServiceStatusView, StatusView } from '../../api/schemas.ts';
import { clockText, durationText, relativeText, shortRelease } from './numbers.ts';
import { listText } from './deployment.ts';
import { paint, sign, slotPaint, type Style, wrap } from './style.ts';
import { table } from './table.ts';

interface StatusContext {
  readonly style: Style;
  readonly now: number;
}

/** Services as a table, one block an environment; what is not well below it. */
export function statusLines(view: StatusView, { style, now }: StatusContext): readonly string[] {
  const environments = [...new Set([...view.services, ...view.resources].map(({ environment }) => environment))];
  const lines: string[] = [];
  for (const environment of environments) {
    const services = view.services.filter((service) => service.environment === environment);
    const resources = view.resources.filter((resource) => resource.environment === environment);
    lines.push(
      ...(lines.length === 0 ? [] : ['']),
      `${paint(style, 'bold', environment)} ${paint(style, 'dim', `of ${view.platform}`)}`,
    );
    const columns = [
      { title: 'SERVICE' },
      { title: 'RELEASE' },
      { title: 'SLOT', optional: 1 },
      { title: 'READY', align: 'right' as const },
      { title: 'CANDIDATE', optional: 3 },
      { title: 'DEPLOYMENT' },
      { title: 'SINCE', optional: 2 },
      { title: 'URL' },
    ];
    lines.push(
      ...table(
        style,
        columns,
        services.map((service) => serviceRow(service, style, now)),
      ),
    );
    for (const resource of resources) {
      lines.push(
        `${resource.name}  ${paint(style, 'dim', `${resource.kind}, ${resource.state}${resource.address === null ? '' : `, ${resource.address}`}`)}`,
      );
    }
    for (const service of services) lines.push(...remarks(service, style, now));
  }
  for (const note of view.notes) lines.push(...remark(style, note));
  if (environments.length === 0) lines.push(`${view.platform} has no services.`);
  return lines;
}

function serviceRow(service: ServiceStatusView, style: Style, now: number): readonly string[] {
  const { stable, candidate } = service;
  const ready = `${service.ready}/${service.wanted}`;
  return [
    service.service,
    stable === null ? paint(style, 'dim', 'not deployed') : shortRelease(stable.release),
    stable === null ? '' : slotPaint(style, stable.slot, stable.slot),
    stable === null ? '' : service.ready < service.wanted ? paint(style, 'red', ready) : ready,
    candidate === null ? '' : slotPaint(style, candidate.slot, shortRelease(candidate.release)),
    activeText(service),
    service.deployedAt === null ? '' : relativeText(service.deployedAt, now),
    service.url ??
      (service.internalUrl === null ? '' : paint(style, 'dim', `${new URL(service.internalUrl).host} internal`)),
  ];
}

/** `dep_12 stepping, 25 %` */
function activeText({ deployment, phase, candidate, weight }: ServiceStatusView): string {
  if (deployment === null) return '';
  return `${deployment}${phase === null ? '' : ` ${phase}`}${candidate === null ? '' : `, ${weight} %`}`;
}

function remarks(service: ServiceStatusView, style: Style, now: number): readonly string[] {
  const problems = service.instances
    .filter((instance) => instance.reason !== null && instance.state !== 'ready')
    .map((instance) => `${service.service} ${instance.id} is ${instance.state}: ${instance.reason ?? ''}`);
  if (service.note !== null) problems.unshift(`${service.service}: ${service.note}`);
  const { warm, maintenance, environment } = service;
  if (!service.declared) {
    const keeps = service.url === null ? '' : `, and keeps what users ask of ${service.url}`;
    problems.unshift(
      `${service.service} is not declared any more. It stays as it is${keeps}, until \`veza remove ${service.service} -e ${environment}\` takes it away`,
    );
  }
  if (maintenance !== null) {
    problems.unshift(
      `${service.service} is under maintenance since ${clockText(maintenance.since, now)}, by ${maintenance.by}: users get a page; \`veza maintenance off ${service.service}\` ends it`,
    );
  }
  const lines = problems.flatMap((text) => remark(style, text));
  if (warm !== null && warm.until > now) {
    const text = `${service.service}: ${shortRelease(warm.release)} is warm until ${clockText(warm.until, now)}; \`veza rollback ${service.service} --to ${shortRelease(warm.release)}\` is one router write`;
    lines.push(...wrap(text, style.width - 2).map((line) => paint(style, 'dim', `  ${line}`)));
  }
  return lines;
}

/** Something that a person must know, in yellow. */
export const remark = (style: Style, text: string): readonly string[] =>
  wrap(text, style.width - 2).map((line, index) =>
    paint(style, 'yellow', `${index === 0 ? sign(style, 'warning') : ' '} ${line}`),
  );

/** Deployments as a table, newest first. */
export function deploymentsLines(views: readonly DeploymentView[], { style, now }: StatusContext): readonly string[] {
  const columns = [
    { title: 'ID' },
    { title: 'ENVIRONMENT', optional: 1 },
    { title: 'SERVICES' },
    { title: 'STATE' },
    { title: 'STARTED' },
    { title: 'TOOK', align: 'right' as const, optional: 2 },
    { title: 'WHAT HAPPENED', enough: 30 },
  ];
  const rows = views.map((view) => {
    const done = view.committedAt ?? view.endedAt;
    return [
      view.id,
      view.environment,
      listText(view.legs.map((leg) => leg.service)),
      paint(style, stateColour(view), view.phase),
      relativeText(view.startedAt, now),
      durationText((done ?? now) - view.startedAt),
      view.reason === null ? view.summary : view.reason.text,
    ];
  });
  return table(style, columns, rows);
}

const stateColour = (view: DeploymentView): 'green' | 'red' | 'cyan' => {
  if (view.phase === 'succeeded' || view.phase === 'retiring') return 'green';
  return view.phase === 'reverted' || view.phase === 'refused' || view.phase === 'reverting' || view.phase === 'stuck'
    ? 'red'
    : 'cyan';
};
