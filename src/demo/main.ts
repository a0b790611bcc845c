import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { paint, sign } from '../cli/render/style.ts';
import { processTerminal, type Terminal } from '../cli/terminal.ts';
import { DemoProject, SERVICES } from './project.ts';
import { demoTargets, isDemoTarget } from './targets.ts';
import { costsOf, demoReport, scoreboard } from './scoreboard.ts';
import { Story } from './story.ts';
import { isClean, type Traffic } from './traffic.ts';

// `make demo`: the music platform goes through good and bad releases while people use it. Writes demo-report.json into the
// current folder; exit status 0 when nothing was lost or wrong, no message missing, nobody logged out, and every scene ended
// as it must. --keep leaves it running; --target docker runs it in containers behind HAProxy.

const { values } = parseArgs({
  options: {
    keep: { type: 'boolean', default: false },
    report: { type: 'string', default: 'demo-report.json' },
    target: { type: 'string', default: 'process' },
  },
});
if (!isDemoTarget(values.target)) {
  process.stderr.write(`demo: --target ${values.target}: give one of ${Object.keys(demoTargets).join(', ')}\n`);
  process.exit(64);
}
const terminal = processTerminal(process.env);
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interrupt.abort(new Error(`ended by ${signal}`)));
}

const target = demoTargets[values.target];
const project = await DemoProject.create(target.declare);
const story = new Story(project, terminal, interrupt.signal);
let traffic: Traffic | null = null;
try {
  process.exitCode = await play(story, terminal);
} catch (error) {
  terminal.note(`demo: ${error instanceof Error ? error.message : String(error)}`);
  terminal.note(`  The control plane's log: ${project.stateDir}/control.log (kept)`);
  process.exitCode = interrupt.signal.aborted ? 130 : 1;
} finally {
  if (!values.keep) await cleanUp();
}

async function play(scenes: Story, screen: Terminal): Promise<number> {
  const { style } = screen;
  const started = performance.now();
  screen.out(
    paint(style, 'bold', 'Veza Deploy: a music platform of five services, with PostgreSQL and object storage'),
  );
  screen.out(paint(style, 'dim', `in ${project.dir}, for users at ${project.url}, ${target.words}`));
  screen.out('');
  await scenes.up();
  const good = { changes: [], strategy: null, train: false, expect: 'live' } as const;
  await scenes.ship({
    ...good,
    title: 'v1: everything, blue-green',
    version: 'v1',
    services: SERVICES,
    strategy: 'blue-green',
    train: true,
  });
  await scenes.seed();
  traffic = scenes.startTraffic();
  await scenes.ship({
    ...good,
    title: 'v2 of all five: a train, with a new column',
    version: 'v2',
    services: SERVICES,
    changes: ['mood'],
    train: true,
  });
  const bad = await scenes.ship({
    ...good,
    title: 'v3 of api: fails 20 % of requests',
    version: 'v3',
    services: ['api'],
    changes: ['failing'],
    expect: 'reverted',
  });
  await scenes.ship({
    ...good,
    title: 'v4 of web: never ready',
    version: 'v4',
    services: ['web'],
    changes: ['mended', 'never-ready'],
    expect: 'reverted',
  });
  await scenes.ship({
    ...good,
    title: 'v5 of chat: kill -9 of the control plane',
    version: 'v5',
    services: ['chat'],
    changes: ['ready'],
    during: () => scenes.killControlPlane(),
  });
  const report = await traffic.stop();
  traffic = null;
  const durationSeconds = Math.round((performance.now() - started) / 100) / 10;
  screen.out('');
  for (const line of scoreboard(scenes.scenes, costsOf(report), style)) screen.out(line);
  const seconds = bad.exposedSeconds === null ? 'never' : `${bad.exposedSeconds.toFixed(1)} s`;
  screen.out('');
  const { chat, sessions, audioBytes } = report;
  // Only the release that fails on purpose may have failed anything.
  const strangers = Object.keys(report.failedByReleases).filter((release) => !bad.releases.includes(release));
  screen.out(`v3 was back on stable ${seconds} after its first request.`);
  screen.out(
    `${chat.acknowledged} chat messages reached everybody, over ${chat.reconnects} reconnects; ${sessions} sessions; ` +
      `${Math.round(audioBytes / 1e6)} MB of audio compared.`,
  );
  await writeFile(
    values.report,
    `${JSON.stringify(demoReport(report, bad.exposedSeconds, durationSeconds), null, 2)}\n`,
  );
  const asTheyMust = scenes.scenes.every((scene) => scene.good) && bad.exposedSeconds !== null;
  const ok = isClean(report) && strangers.length === 0 && asTheyMust;
  const verdict = ok
    ? paint(style, 'green', `${sign(style, 'done')} nothing lost, nothing wrong, nobody logged out`)
    : paint(style, 'red', `${sign(style, 'failed')} not as it must be`);
  screen.out(`${verdict} in ${durationSeconds} s; figures in ${values.report}`);
  if (values.keep) {
    screen.out(`It goes on running: open ${project.url} in a browser, and \`veza down\` in ${project.dir} ends it.`);
  }
  for (const { kind, operation, detail, sinceStartMs } of report.lostDetails) {
    screen.note(`  lost after ${(sinceStartMs / 1_000).toFixed(1)} s: ${operation} ${kind}: ${detail}`);
  }
  for (const { operation, detail } of report.wrongDetails) screen.note(`  wrong: ${operation}: ${detail}`);
  for (const { operation, detail } of report.loggedOutDetails) screen.note(`  logged out: ${operation}: ${detail}`);
  for (const release of strangers) screen.note(`  failed by ${release}: ${report.failedByReleases[release] ?? 0}`);
  if (report.skipped > 0) screen.note(`  ${report.skipped} things were not done, because too much was waiting`);
  if (report.unchecked !== null) screen.note(`  not looked for: ${report.unchecked}`);
  return ok ? 0 : 1;
}

async function cleanUp(): Promise<void> {
  await traffic?.stop().catch(() => undefined);
  try {
    await story.down();
    if (process.exitCode !== 1) await project.remove();
  } catch (error) {
    terminal.note(`demo: could not stop everything: ${error instanceof Error ? error.message : String(error)}`);
  }
}
