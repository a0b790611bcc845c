import type { GatewayView } from '../../api/schemas.ts';
import { bytesText, countText, plural, relativeText } from './numbers.ts';
import { paint, sign, type Style } from './style.ts';
import { table } from './table.ts';

/** Days before the end of a certificate from which it is said loudly. */
const SOON_MS = 14 * 86_400_000;

/** The gateway of an environment for people: what it is, its processes, what waits, its certificates, what is wrong. */
export function gatewayLines(
  view: GatewayView,
  { style, now }: { readonly style: Style; readonly now: number },
): readonly string[] {
  const lines = [
    ...(view.haproxy === null
      ? [`${paint(style, 'bold', `gateway of ${view.environment}`)}  ${addresses(view)}`]
      : [
          `${paint(style, 'bold', `HAProxy is the router of ${view.environment}`)}  ${addresses(view.haproxy)}`,
          paint(style, 'dim', `process ${view.haproxy.pid}`),
          '',
          `${paint(style, 'bold', 'gateway that carries its streams')}  ${addresses(view)}, for HAProxy alone`,
        ]),
    paint(
      style,
      'dim',
      `version ${view.version}, generation ${view.generation}, in charge since ${relativeText(view.since, now)}, process ${view.pid}, ${plural(view.services, 'service')}`,
    ),
    '',
    ...table(
      style,
      [
        { title: 'worker' },
        { title: 'state' },
        { title: 'in flight', align: 'right' },
        { title: 'streams', align: 'right' },
        { title: 'queued', align: 'right' },
        { title: 'connections', align: 'right' },
        { title: 'memory', align: 'right' },
      ],
      view.workers.map(({ pid, state, since, load }) => [
        String(pid),
        `${state} ${relativeText(since, now)}`,
        ...(load === null
          ? ['silent', '', '', '', '']
          : [
              countText(load.inFlight),
              countText(load.streams),
              countText(load.queued),
              countText(load.connections),
              bytesText(load.memoryBytes),
            ]),
      ]),
    ),
  ];
  if (view.queues.length > 0) {
    lines.push('', 'waiting for an instance with room:');
    for (const { service, queued } of view.queues) lines.push(`  ${service}  ${countText(queued)}`);
  }
  if (view.certificates.length > 0) {
    lines.push(
      '',
      ...table(
        style,
        [{ title: 'certificate' }, { title: 'source' }, { title: 'expires' }, { title: 'renewed' }],
        view.certificates.map((certificate) => certificateRow(certificate, style, now)),
      ),
      ...view.certificates.flatMap(({ note }) => (note === null ? [] : ['', paint(style, 'dim', note)])),
    );
  }
  for (const warning of view.warnings) lines.push('', `${paint(style, 'yellow', sign(style, 'warning'))} ${warning}`);
  return lines;
}

const addresses = ({ http, https }: Pick<GatewayView, 'http' | 'https'>): string =>
  [`http ${http.host}:${http.port}`, ...(https === null ? [] : [`https ${https.host}:${https.port}`])].join(', ');

function certificateRow(
  { hosts, source, shown, expiresAt, renewAt }: GatewayView['certificates'][number],
  style: Style,
  now: number,
): readonly string[] {
  const names = hosts.length === 0 ? '–' : hosts.join(' ');
  const renewed = renewAt === null ? 'by you' : renewAt <= now ? 'now' : relativeText(renewAt, now);
  if (shown === 'nothing' || expiresAt === null) return [names, source, paint(style, 'red', 'none yet'), renewed];
  if (shown === 'placeholder') return [names, `${source}, ${paint(style, 'red', 'placeholder')}`, '', renewed];
  const expires = relativeText(expiresAt, now);
  return [names, source, expiresAt - now < SOON_MS ? paint(style, 'red', expires) : expires, renewed];
}
