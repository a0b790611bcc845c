import { createHash } from 'node:crypto';
import type { DeploymentView, EventView, LegView } from '../../api/schemas.ts';
import type { EvidenceRecord } from '../../core/analysis/evidence-record.ts';
import { explainLeg, type LegEvidence } from '../../core/analysis/explanation.ts';
import { replay, type Replay } from '../../core/analysis/replay.ts';
import { countText, durationText, percentText, shortRelease } from '../render/numbers.ts';
import { CROSSHAIR } from './crosshair.ts';
import { exposureOf, headline, outcomeOf, type Outcome } from './headline.ts';
import { markup, Markup, type Content } from './markup.ts';
import { legCharts } from './leg-charts.ts';
import {
  failuresTable,
  metricsTable,
  mirrorTable,
  plain,
  routesTable,
  statusesTable,
  tableMarkup,
} from './leg-tables.ts';
import { seriesOf } from './series.ts';
import { settingsTable } from './settings-table.ts';
import { STYLESHEET } from './style.ts';
import type { Mark } from './svg/chart.ts';
import { clock } from './svg/scale.ts';

export interface ReportInput {
  readonly deployment: DeploymentView;
  readonly timeline: readonly EventView[];
  /** What is kept of the legs, in their order; null where nothing is. */
  readonly evidence: readonly (EvidenceRecord | null)[];
  /** What else is known of the legs, in their order. */
  readonly context: readonly (LegContext | null)[];
  /** Release → what its commit says. */
  readonly labels: ReadonlyMap<string, string>;
  /** UTC milliseconds. */
  readonly madeAt: number;
  readonly version: string;
}

/** What only the control plane knows of a leg. */
export interface LegContext {
  readonly logs: readonly { readonly time: number; readonly instance: string; readonly text: string }[];
  /** What is different between the two releases: a line each. */
  readonly changes: readonly { readonly what: string; readonly text: string }[];
  /** What could not be found out, and why. */
  readonly notes: readonly string[];
}

/** A page may have as many points a line, over all its legs. */
const POINTS = 1_000;
const MOST_POINTS = 420;
const LEAST_POINTS = 100;

/** The page, whole: nothing is fetched when it is read, and nothing in it is run but its own script, which it names by its hash. */
export function reportPage(input: ReportInput): string {
  const { deployment } = input;
  const replays = input.evidence.map((record) => (record === null ? null : replay(record)));
  const title = headline(deployment, replays);
  const style = new Markup(STYLESHEET);
  const script = new Markup(CROSSHAIR);
  const policy = `default-src 'none'; style-src ${hashOf(STYLESHEET)}; script-src ${hashOf(CROSSHAIR)}; base-uri 'none'; form-action 'none'`;
  return markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${new Markup(policy)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <meta name="generator" content="Veza Deploy ${input.version}" />
        <title>${deployment.id}: ${title}</title>
        <style>${style}</style>
      </head>
      <body>
        <main>
          ${headMarkup(input, title)}
          ${deployment.legs.map((leg, index) => legMarkup(input, leg, index, replays[index] ?? null))}
          <section id="timeline">
            <h2>Timeline</h2>
            ${timelineMarkup(input)}
          </section>
          <section id="settings">
            <h2>Settings in force</h2>
            ${settingsMarkup(input)}
          </section>
          <section id="replay">
            <h2>Compute it again</h2>
            ${replayMarkup(deployment)}
          </section>
        </main>
        <footer>
          Written by Veza Deploy ${input.version} on ${dayAndTime(input.madeAt)}. All times are UTC. This page loads
          nothing and sends nothing.
        </footer>
        <script>${script}</script>
      </body>
    </html>
`.toString();
}

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

const TAGS: Readonly<Record<Outcome, readonly [kind: string, text: string]>> = {
  back: ['bad', 'taken back'],
  live: ['good', 'live'],
  refused: ['unsure', 'refused'],
  stuck: ['bad', 'stuck'],
  active: ['unsure', 'on the way'],
};

function headMarkup({ deployment, labels }: ReportInput, title: string): Markup {
  const [kind, text] = TAGS[outcomeOf(deployment)];
  const { startedAt, endedAt, requestedBy, approvedBy } = deployment;
  const approved = approvedBy === null ? '' : `, approved by ${approvedBy}`;
  const ended = endedAt === null ? '' : `, ended after ${durationText(endedAt - startedAt)}`;
  const several = deployment.legs.length > 1;
  return markup`<header>
    <div class="eyebrow">
      <span class="tag ${kind}">${text}</span><span>${deployment.id}</span><span>${deployment.environment}</span><span>${deployment.legs.map(({ service }) => service).join(', ')}</span><span>${strategies(deployment)}</span>
    </div>
    <h1>${title}</h1>
    <p class="soft">Requested by ${requestedBy} on ${dayAndTime(startedAt)}${approved}${ended}.</p>
    ${deployment.legs.map(
      (leg) =>
        markup`<p>
          ${several && markup`<b>${leg.service}</b>: `}${leg.stable === null ? 'first release' : markup`${releaseMarkup(leg.stable.release, labels)} <span class="soft">to</span>`}
          ${releaseMarkup(leg.candidate.release, labels)}
        </p>`,
    )}
    <nav aria-label="Parts of this page">
      ${deployment.legs.map((leg, index) => markup`<a href="#leg-${index}">${several ? leg.service : 'Evidence'}</a>`)}<a
        href="#timeline"
        >Timeline</a><a href="#settings">Settings</a><a href="#replay">Compute it again</a>
    </nav>
  </header>`;
}

const strategies = ({ legs }: DeploymentView): string => [...new Set(legs.map(({ strategy }) => strategy))].join(', ');

function releaseMarkup(release: string, labels: ReadonlyMap<string, string>): Markup {
  const label = labels.get(release);
  return markup`<code>${shortRelease(release)}</code>${label !== undefined && markup` <span class="soft">(${label})</span>`}`;
}

function legMarkup(input: ReportInput, leg: LegView, index: number, replayed: Replay | null): Markup {
  const record = input.evidence[index] ?? null;
  const several = input.deployment.legs.length > 1;
  const head = markup`<h2>${several ? `Evidence: ${leg.service}` : 'Evidence'}</h2>`;
  const context = contextMarkup(input.context[index] ?? null);
  const series = replayed === null ? null : seriesOf(replayed);
  if (record === null || replayed === null || series === null)
    return markup`<section id="leg-${index}">
      ${head}
      <p class="note">
        ${
          leg.stable === null
            ? 'It was the first release of this service: there was nothing to compare it with.'
            : 'No evidence is kept of this leg: nobody was on the candidate, or it has been let go of since.'
        }
        The journal below says what happened.
      </p>
      ${context}
    </section>`;
  const decisive = replayed.seconds[replayed.worseAt ?? replayed.seconds.length - 1];
  const points = Math.min(MOST_POINTS, Math.max(LEAST_POINTS, Math.floor(POINTS / input.deployment.legs.length)));
  const explained = explainLeg(
    { verdict: decisive?.verdict ?? 'undecided', evidence: decisive?.evidence ?? null },
    record,
  );
  return markup`<section id="leg-${index}">
    ${head}
    <p>${verdictText(replayed)} ${ratioText(explained)}</p>
    ${tilesMarkup(replayed)} ${legCharts(`c${index}`, series, marksOf(replayed), points)}
    <div class="tables">
      ${metricsTable(replayed)} ${mirrorTable(record)} ${explained.kept === null ? null : routesTable(explained.kept.attribution)} ${statusesTable(record)}
      ${failuresTable(record)}
    </div>
    ${context}
  </section>`;
}

function verdictText({ seconds, worseAt }: Replay): Content {
  const worse = worseAt === null ? undefined : seconds[worseAt];
  if (worse !== undefined)
    return markup`Verdict <span class="tag bad">worse</span> at ${clock(worse.seen.traffic.second + 1)}:
      ${worse.evidence.summary}.`;
  const last = seconds.at(-1);
  if (last === undefined) return null;
  const kind = last.verdict === 'not-worse' ? 'good' : 'unsure';
  return markup`Verdict <span class="tag ${kind}">${last.verdict}</span> at the end: ${last.evidence.summary}.`;
}

/** How much worse, and how certain that is. */
function ratioText({ metric, ratio }: LegEvidence): string | null {
  if (ratio === null || metric === null) return null;
  const times = (value: number): string =>
    value > 1_000 ? 'more than 1,000' : value >= 10 ? countText(value) : String(Number(value.toPrecision(2)));
  const range = ratio.high === null ? `at least ${times(ratio.low)}` : `${times(ratio.low)} to ${times(ratio.high)}`;
  return `By ${metric}, its share is ${range} times that of stable (${Number((100 * (1 - ratio.alpha)).toPrecision(4))} % confidence sequence).`;
}

function tilesMarkup(replayed: Replay): Markup | null {
  const exposure = exposureOf(replayed);
  const { seconds, worseAt } = replayed;
  const decisive = seconds[worseAt ?? seconds.length - 1];
  if (decisive === undefined) return null;
  const { worse = null, threshold = null, since = null } = decisive.evidence;
  const tiles: (readonly [string, Content, string])[] = [];
  if (exposure !== null) {
    const { candidate } = exposure.totals;
    tiles.push(
      [
        'Users on the candidate for',
        durationText((exposure.to - exposure.from) * 1_000),
        `from ${clock(exposure.from)}`,
      ],
      [
        'Failed on the candidate',
        worseAt === null || candidate.failed === 0
          ? countText(candidate.failed)
          : markup`<span class="bad-text">${countText(candidate.failed)}</span>`,
        `of ${countText(candidate.requests)} (${percentText(candidate.requests === 0 ? null : (100 * candidate.failed) / candidate.requests)})`,
      ],
    );
  } else tiles.push(['Users on the candidate', '0', 'no request of a user reached it']);
  if (worse !== null && threshold !== null)
    tiles.push([
      worseAt === null ? 'Evidence against it' : 'Evidence when it was found',
      plain(worse),
      `taken back from ${countText(threshold)} on`,
    ]);
  if (worseAt !== null && since !== null) {
    const took = Math.max(1, decisive.seen.traffic.second + 1 - since);
    tiles.push(['Found within', durationText(took * 1_000), `of its first bad second, ${clock(since)}`]);
  } else if (worseAt === null && exposure !== null)
    tiles.push([
      'Beside it',
      countText(exposure.totals.stable.failed),
      `of ${countText(exposure.totals.stable.requests)} failed on stable`,
    ]);
  return markup`<dl class="tiles">
    ${tiles.map(
      ([name, value, small]) =>
        markup`<div>
          <dt>${name}</dt>
          <dd>${value}<small>${small}</small></dd>
        </div>`,
    )}
  </dl>`;
}

function marksOf({ seconds, worseAt }: Replay): readonly Mark[] {
  const worse = worseAt === null ? undefined : seconds[worseAt];
  if (worse === undefined) return [];
  const since = worse.evidence.since ?? null;
  return [
    ...(since === null ? [] : [{ x: since, label: 'first bad second', kind: 'since' }]),
    { x: worse.seen.traffic.second + 1, label: 'worse', kind: 'verdict' },
  ];
}

function contextMarkup(context: LegContext | null): Markup | null {
  if (context === null) return null;
  const { logs, changes, notes } = context;
  return markup`${
    logs.length > 0 &&
    markup`<h4>What the candidate wrote</h4>
      <pre class="logs" tabindex="0">${logs.map(({ time, instance, text }) => `${clock(Math.floor(time / 1_000))}  ${instance}  ${text}\n`)}</pre>`
  }${
    changes.length > 0 &&
    markup`<h4>What changed between the two releases</h4>
      ${tableMarkup(
        'Commits, configuration and artifact',
        [{ title: 'What' }, { title: 'Change' }],
        changes.map(({ what, text }) => [what, text]),
      )}`
  }${notes.map((note) => markup`<p class="note">${note}</p>`)}`;
}

function timelineMarkup({ deployment, timeline }: ReportInput): Markup {
  if (timeline.length === 0) return markup`<p class="note">Nothing in the journal.</p>`;
  return markup`<div class="timeline">
    ${tableMarkup(
      'Entries of the journal',
      [{ title: 'Time' }, { title: 'After', number: true }, { title: 'Service' }, { title: 'What happened' }],
      timeline.map(({ at, service, text }) => [
        clock(Math.floor(at / 1_000)),
        `+${(Math.max(0, at - deployment.startedAt) / 1_000).toFixed(1)} s`,
        service ?? '',
        text,
      ]),
    )}
  </div>`;
}

function settingsMarkup({ deployment, evidence }: ReportInput): Content {
  const tables = evidence.flatMap((record, index) =>
    record === null
      ? []
      : [settingsTable(deployment.legs.length > 1 ? (deployment.legs[index]?.service ?? '') : '', record.settings)],
  );
  return tables.length === 0 ? markup`<p class="note">They are kept with the evidence, and there is none.</p>` : tables;
}

const replayMarkup = ({ id }: DeploymentView): Markup =>
  markup`<p>
      Every figure here follows from the stored seconds. The same verdict comes out again, with these settings or with
      others:
    </p>
    <pre tabindex="0">
veza replay ${id}
veza replay ${id} --what-if alpha=0.001
veza show ${id}
veza report ${id} --output report.html</pre>`;

const dayAndTime = (ms: number): string => {
  const text = new Date(ms).toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, 19)} UTC`;
};
