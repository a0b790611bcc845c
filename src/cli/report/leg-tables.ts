import type { Attribution, RouteFinding } from '../../core/analysis/attribution.ts';
import type { EvidenceRecord } from '../../core/analysis/evidence-record.ts';
import type { Replay } from '../../core/analysis/replay.ts';
import type { MetricEvidence } from '../../core/analysis/verdict.ts';
import type { Arm } from '../../core/slot.ts';
import type { FailedRequest } from '../../core/traffic.ts';
import { countText, latencyText, percentText, plural } from '../render/numbers.ts';
import { markup, type Content, type Markup } from './markup.ts';
import { evidenceText } from './leg-charts.ts';
import { clock } from './svg/scale.ts';

const MOST_FAILURES = 25;
const MOST_ROUTES = 20;

export interface ColumnHead {
  readonly title: string;
  readonly number?: boolean;
}

/** A table that scrolls by itself where the page is narrow. */
export function tableMarkup(
  caption: string,
  heads: readonly ColumnHead[],
  rows: readonly (readonly Content[])[],
): Markup {
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${caption}">
    <table${heads.length > 3 ? WHOLE : null}>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${heads.map(({ title, number }) => markup`<th scope="col" ${number === true ? NUMBER : null}>${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            markup`<tr>
              ${row.map((cell, index) => markup`<td${heads[index]?.number === true ? NUMBER : null}>${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
const NUMBER = markup` class="n"`;
const WHOLE = markup` class="many"`;

const share = ({ events, total }: { readonly events: number; readonly total: number }): string =>
  `${countText(events)} of ${countText(total)} (${percentText(total === 0 ? null : (100 * events) / total)})`;

/** Every metric as it stood when the verdict fell, or at the end. */
export function metricsTable(replay: Replay): Markup | null {
  const decisive = replay.seconds[replay.worseAt ?? replay.seconds.length - 1];
  const metrics = decisive?.evidence.metrics ?? [];
  if (decisive === undefined || metrics.length === 0) return null;
  const when = replay.worseAt === null ? 'at the end' : 'when the verdict fell';
  return markup`<h4>Metrics</h4>
    ${tableMarkup(
      `Both releases ${when} (${clock(decisive.seen.traffic.second)} UTC), since the first exposure`,
      [
        { title: 'Metric' },
        { title: 'Candidate', number: true },
        { title: 'Stable', number: true },
        { title: 'Times as often', number: true },
        { title: 'Evidence that it is worse' },
        { title: 'Shown to be not worse' },
      ],
      metrics.map((metric) => [
        markup`<b>${metric.metric}</b>`,
        share(metric.candidate),
        share(metric.stable),
        timesAsOften(metric),
        markup`${bar(metric.worse / metric.needed)} ${plain(metric.worse)} of ${plain(metric.needed)}`,
        metric.notWorse === null
          ? 'not asked'
          : markup`${bar(metric.notWorse / metric.shownAt)} ${plain(metric.notWorse)} of ${plain(metric.shownAt)}`,
      ]),
    )}`;
}

function timesAsOften({ candidate, stable }: MetricEvidence): string {
  if (candidate.total === 0 || stable.total === 0 || stable.events === 0) return '–';
  const times = candidate.events / candidate.total / (stable.events / stable.total);
  return `${times >= 10 ? Math.round(times) : Number(times.toPrecision(2))} ×`;
}

/** Evidence as a number: beyond a million it makes no difference. */
export const plain = (value: number): string =>
  value >= 1e6 ? '>1,000,000' : value >= 10 ? countText(value) : evidenceText(value);

/** How far the evidence has got, logarithmically from a hundredth on: full is enough. */
function bar(ratio: number): Markup {
  const share = Math.min(1, Math.max(0, (Math.log10(Math.max(ratio, 1e-9)) + 2) / 2));
  return markup`<svg class="bar" viewBox="0 0 60 8" aria-hidden="true">
    <rect class="rest" width="60" height="8" rx="2" />
    <rect class="${ratio >= 1 ? 'enough' : 'part'}" width="${(60 * share).toFixed(1)}" height="8" rx="2" />
  </svg>`;
}

const KINDS: Readonly<Record<RouteFinding['kind'], string>> = {
  errors: 'fails',
  'client-errors': 'refuses (4xx)',
  slow: 'slow',
  differs: 'other answers',
};

/** Which routes carry what is wrong, and the statuses of what failed. */
export function routesTable({ routes, tested, counted }: Attribution): Markup {
  if (!counted)
    return markup`<h4>Routes</h4>
      <p class="note">The router did not count by route.</p>`;
  if (routes.length === 0)
    return markup`<h4>Routes</h4>
      <p class="note">No route stands out among ${plural(tested, 'comparison')}.</p>`;
  const left = routes.length - MOST_ROUTES;
  return markup`<h4>Routes that carry it</h4>
    ${tableMarkup(
      `Ranked; of the routes called found at most 1 in 20 is innocent on average (${plural(tested, 'comparison')})`,
      [
        { title: 'Route' },
        { title: 'Is' },
        { title: 'Certainty' },
        { title: 'Candidate', number: true },
        { title: 'Stable', number: true },
        { title: 'Too many', number: true },
        { title: 'Statuses' },
      ],
      routes.slice(0, MOST_ROUTES).map((one) => [
        markup`<code>${one.route}</code>`,
        one.slowerThanMs === null ? KINDS[one.kind] : `slower than ${latencyText(one.slowerThanMs)}`,
        markup`<span class="tag ${one.certainty === 'found' ? 'bad' : 'unsure'}">${one.certainty}</span>`,
        share(one.candidate),
        share(one.stable),
        tooMany(one),
        Object.entries(one.statuses)
          .map(([status, count]) => `${status} × ${countText(count)}`)
          .join(', ') || '–',
      ]),
    )}${left > 0 && markup`<p class="note">And ${plural(left, 'more')}.</p>`}`;
}

const tooMany = ({ excess, low, high }: RouteFinding): string =>
  `${countText(excess)} (${countText(low)} to ${high === null ? '…' : countText(high)})`;

/** Bad answers of both arms by status. */
export function statusesTable(record: EvidenceRecord): Markup | null {
  const counts = new Map<string, Record<Arm, number>>();
  for (const { traffic } of record.seconds) {
    for (const arm of ['stable', 'candidate'] as const) {
      for (const { bad } of traffic.arms[arm].routes ?? []) {
        for (const [status, count] of Object.entries(bad)) {
          const found = counts.get(status) ?? { stable: 0, candidate: 0 };
          counts.set(status, { ...found, [arm]: found[arm] + count });
        }
      }
    }
  }
  if (counts.size === 0) return null;
  return markup`<h4>Statuses</h4>
    ${tableMarkup(
      'Bad answers by status; lost: no instance answered',
      [{ title: 'Status' }, { title: 'Candidate', number: true }, { title: 'Stable', number: true }],
      [...counts]
        .sort(([, a], [, b]) => b.candidate - a.candidate || b.stable - a.stable)
        .map(([status, { candidate, stable }]) => [
          markup`<code>${status}</code>`,
          countText(candidate),
          countText(stable),
        ]),
    )}`;
}

/** A few requests to look up elsewhere. */
export function failuresTable(record: EvidenceRecord): Markup | null {
  const failures = record.seconds.flatMap(({ traffic }) =>
    (traffic.arms.candidate.failures ?? []).map((failure) => ({ second: traffic.second, failure })),
  );
  if (failures.length === 0) return null;
  const identified = ({ traceId, requestId }: FailedRequest): boolean => traceId !== null || requestId !== null;
  // Those that can be looked up first, then as they came.
  const chosen = [...failures]
    .sort((a, b) => Number(identified(b.failure)) - Number(identified(a.failure)))
    .slice(0, MOST_FAILURES)
    .sort((a, b) => a.second - b.second);
  return markup`<details${failures.length <= 12 ? markup` open` : null}><summary><h4>Failed requests to look up</h4></summary>${tableMarkup(
    `${countText(chosen.length)} of the requests that the candidate failed (UTC)`,
    [
      { title: 'Time' },
      { title: 'Route' },
      { title: 'Status' },
      { title: 'Took', number: true },
      { title: 'Instance' },
      { title: 'Trace or request' },
    ],
    chosen.map(({ second, failure }) => [
      clock(second),
      markup`<code>${failure.route}</code>`,
      failure.status === 0 ? 'lost' : failure.status,
      latencyText(failure.latencyMs),
      failure.instance ?? '–',
      markup`<code>${failure.traceId ?? failure.requestId ?? '–'}</code>`,
    ]),
  )}</details>`;
}

/** What copies showed before any user was on the candidate. */
export function mirrorTable(record: EvidenceRecord): Markup | null {
  const sums = { pairs: 0, skipped: 0, stableErrors: 0, candidateErrors: 0, status: 0, size: 0, shape: 0 };
  for (const { traffic } of record.seconds) {
    const { mirror } = traffic;
    if (mirror === undefined) continue;
    sums.pairs += mirror.pairs;
    sums.skipped += mirror.skipped;
    sums.stableErrors += mirror.stableErrors;
    sums.candidateErrors += mirror.candidateErrors;
    sums.status += mirror.statusDiffers;
    sums.size += mirror.sizeDiffers;
    sums.shape += mirror.shapeDiffers;
  }
  if (sums.pairs + sums.skipped === 0) return null;
  const of = (events: number): string => share({ events, total: sums.pairs });
  return markup`<h4>Copies of requests, before any user</h4>
    ${tableMarkup(
      `${plural(sums.pairs, 'request')} answered by both, ${countText(sums.skipped)} not copied because the candidate did not keep up`,
      [{ title: 'Of the copies' }, { title: 'How many', number: true }],
      [
        ['the candidate failed', of(sums.candidateErrors)],
        ['stable failed', of(sums.stableErrors)],
        ['a status of another class', of(sums.status)],
        ['a body of another size', of(sums.size)],
        ['JSON of another shape', of(sums.shape)],
      ],
    )}`;
}
