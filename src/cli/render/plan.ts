import type { ForecastGateView, ForecastView, ServiceForecastView } from '../../api/forecast-schemas.ts';
import { shareText } from '../../core/analysis/forecast-rollout.ts';
import { durationText, plural, rateText, shortRelease } from './numbers.ts';
import { cut, paint, sign, type Style, wrap } from './style.ts';
import { table } from './table.ts';
import { listText } from './deployment.ts';

const MOST_COMMITS = 5;
const MOST_KEYS = 8;
const FACT = 9;

/** What a deployment would do: services, gates, and one sentence at the end. */
export function planLines(view: ForecastView, style: Style): readonly string[] {
  return [
    ...view.services.flatMap((service) => [...serviceLines(service, style), '']),
    ...(view.gates.length === 0
      ? []
      : [paint(style, 'bold', 'Gates'), ...view.gates.flatMap((gate) => gateLines(gate, style)), '']),
    ...outcomeLines(view, style),
  ];
}

/** Would `veza deploy` be refused? */
export const isRefused = ({ gates }: ForecastView): boolean => gates.some(({ state }) => state === 'refuses');

function serviceLines(service: ServiceForecastView, style: Style): readonly string[] {
  const dot = ` ${paint(style, 'dim', sign(style, 'dot'))} `;
  const head = `${paint(style, 'bold', service.service)}${dot}${service.strategy}${dot}analysis ${service.analysis}${dot}${plural(service.instances, 'instance')}`;
  const facts = [...changeFacts(service), ...trafficFacts(service)].flatMap(([name, text]) =>
    wrap(text, Math.max(30, style.width - FACT - 4)).map(
      (line, index) => `  ${index === 0 ? paint(style, 'dim', name.padEnd(FACT)) : ' '.repeat(FACT)}  ${line}`,
    ),
  );
  if (service.next === null && service.live !== null)
    return [cut(style, head), ...facts.map((line) => cut(style, line))];
  return [
    head,
    ...facts,
    '',
    ...stageLines(service, style),
    ...faultLines(service, style),
    ...lengthLines(service, style),
    ...warningLines(service, style),
  ].map((line) => cut(style, line));
}

function changeFacts({
  live,
  next,
  commits,
  configuration,
}: ServiceForecastView): readonly (readonly [string, string])[] {
  const named = ({ commit, subject }: { commit: string; subject: string }): string =>
    `${commit.slice(0, 8)} ${subject}`;
  const facts: (readonly [string, string])[] = [
    ['live', live === null ? 'nothing yet' : `${shortRelease(live.release)}  ${named(live)}`],
  ];
  if (next === null) {
    facts.push(['next', live === null ? 'nothing that can be built' : 'the same: nothing has changed since']);
    return facts;
  }
  const how = next.release === null ? 'to be built' : shortRelease(next.release);
  facts.push([
    'next',
    `${how}  ${named(next)}${next.changes.length > 0 ? ', and changes that are not committed' : ''}`,
  ]);
  commits.slice(0, MOST_COMMITS).forEach((commit, index) => facts.push([index === 0 ? 'commits' : '', named(commit)]));
  if (commits.length > MOST_COMMITS) facts.push(['', `and ${commits.length - MOST_COMMITS} more`]);
  if (configuration.length > 0) {
    const more = configuration.length > MOST_KEYS ? ` and ${configuration.length - MOST_KEYS} more` : '';
    facts.push(['declared', `otherwise: ${configuration.slice(0, MOST_KEYS).join(', ')}${more}`]);
  }
  return facts;
}

function trafficFacts({ traffic }: ServiceForecastView): readonly (readonly [string, string])[] {
  if (traffic === null)
    return [['traffic', 'nothing has been observed yet: it is once a release is live and has users, minute by minute']];
  const { typical, quiet, minutes } = traffic;
  return [
    [
      'traffic',
      `${rateText(typical.requestsPerSecond)} requests/s in a typical hour, ${rateText(quiet.requestsPerSecond)} in a quiet one, ${shareText(typical.errorShare)} fail (${durationText(minutes * 60_000)} observed)`,
    ],
  ];
}

function stageLines(service: ServiceForecastView, style: Style): readonly string[] {
  const { stages, traffic, live } = service;
  if (live === null)
    return [`  The first release goes to 100 % once it is ready: there is nothing to compare it with.`];
  const sees = (share: number | null): string => (share === null ? sign(style, 'dash') : `from ${shareText(share)}`);
  const rows = stages.map(({ name, weight, holdMs, wellMs, smallest }) => [
    name === 'step' ? `${weight} %` : name === 'watch' ? `watch ${weight} %` : `mirror ${weight} %`,
    durationText(holdMs),
    wellMs === null ? '' : durationText(wellMs),
    traffic === null ? '' : name === 'mirroring' ? 'copies only' : sees(smallest.typical),
    traffic === null ? '' : name === 'mirroring' ? '' : sees(smallest.quiet),
  ]);
  const columns = [
    { title: 'STAGE' },
    { title: 'HOLDS', align: 'right' as const },
    { title: 'IF ALL IS WELL', align: 'right' as const, optional: 1 },
    { title: 'SEES FAULTS', align: 'right' as const },
    { title: 'IN A QUIET HOUR', align: 'right' as const, optional: 2 },
  ];
  return table({ ...style, width: style.width - 2 }, columns, rows).map((line) => `  ${line}`);
}

function faultLines({ faults, traffic, live }: ServiceForecastView, style: Style): readonly string[] {
  if (traffic === null || live === null) return [];
  const found = (seconds: number | null): string => (seconds === null ? 'not' : durationText(seconds * 1_000));
  const columns = [
    { title: 'IF IT FAILS' },
    ...faults.map(({ share }) => ({ title: shareText(share), align: 'right' as const })),
  ];
  const rows = [
    ['found within', ...faults.map(({ seconds }) => found(seconds.typical))],
    ['in a quiet hour', ...faults.map(({ seconds }) => found(seconds.quiet))],
  ];
  return ['', ...table({ ...style, width: style.width - 2 }, columns, rows).map((line) => `  ${line}`)];
}

function lengthLines({ wellMs, holdsMs, atMostMs, live }: ServiceForecastView, style: Style): readonly string[] {
  if (live === null) return [];
  const well = wellMs === null ? '' : `${durationText(wellMs)} if all is well, `;
  const text = `The stages take ${well}${durationText(holdsMs)} in full; it is given up after ${durationText(atMostMs)} at the latest.`;
  return ['', ...wrap(text, Math.max(30, style.width - 4)).map((line) => `  ${line}`)];
}

function warningLines({ warnings }: ServiceForecastView, style: Style): readonly string[] {
  return warnings.flatMap(({ text, instead }) => [
    ...wrap(text, Math.max(30, style.width - 6)).map((line, index) =>
      paint(style, 'yellow', index === 0 ? `  ${sign(style, 'warning')} ${line}` : `    ${line}`),
    ),
    ...instead.flatMap((way) =>
      wrap(way, Math.max(30, style.width - 8)).map((line, index) => `${index === 0 ? '    - ' : '      '}${line}`),
    ),
  ]);
}

function gateLines({ service, state, text, hint }: ForecastGateView, style: Style): readonly string[] {
  const marks = {
    passes: paint(style, 'green', sign(style, 'done')),
    waits: paint(style, 'yellow', sign(style, 'active')),
    refuses: paint(style, 'red', sign(style, 'failed')),
  };
  const named = service === null || text.startsWith(service) ? text : `${service}: ${text}`;
  const lines = wrap(named, Math.max(30, style.width - 6)).map((line, index) =>
    index === 0 ? `  ${marks[state]} ${line}` : `    ${line}`,
  );
  return hint === null || state === 'passes'
    ? lines
    : [...lines, ...wrap(hint, Math.max(30, style.width - 6)).map((line) => paint(style, 'dim', `    ${line}`))];
}

function outcomeLines(view: ForecastView, style: Style): readonly string[] {
  const moving = view.services.filter(({ next }) => next !== null);
  const refusing = view.gates.filter(({ state }) => state === 'refuses');
  const waits = view.gates.filter(({ state }) => state === 'waits').length;
  const line = (
    mark: 'done' | 'failed' | 'active',
    colour: 'green' | 'red' | 'yellow',
    text: string,
  ): readonly string[] =>
    wrap(`${sign(style, mark)} ${text}`, Math.max(40, style.width - 2)).map((part, index) =>
      index === 0 ? part.replace(sign(style, mark), paint(style, colour, sign(style, mark))) : `  ${part}`,
    );
  if (refusing.length > 0)
    return line(
      'failed',
      'red',
      `\`veza deploy\` to ${view.environment} would be refused: ${refusing[0]?.text ?? ''}.`,
    );
  if (moving.length === 0)
    return line('done', 'green', `Nothing would be deployed to ${view.environment}: what is committed is live.`);
  const names = listText(moving.map(({ service }) => service));
  const longest = Math.max(...moving.map(({ wellMs, holdsMs, live }) => (live === null ? 0 : (wellMs ?? holdsMs))));
  const about =
    longest === 0
      ? 'as soon as its instances are ready'
      : `in about ${durationText(longest)} after its instances are ready`;
  return waits > 0
    ? line(
        'active',
        'yellow',
        `\`veza deploy\` would bring ${names} live in ${view.environment} ${about}, and waits for what is marked above.`,
      )
    : line(
        'done',
        'green',
        `\`veza deploy\` would bring ${names} live in ${view.environment} ${about}; nothing is in the way.`,
      );
}
