import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { paint, sign } from '../cli/render/style.ts';
import { processTerminal, type Terminal } from '../cli/terminal.ts';
import type { LoadRun } from '../load/load.ts';
import { isClean } from '../load/report.ts';
import { DemoProject } from './project.ts';
import { demoReport, scoreboard } from './scoreboard.ts';
import { Story } from './story.ts';

// `make demo`: a small platform goes through good and bad releases under real traffic. Writes demo-report.json into the
// current folder; exit status 0 when nothing was lost or wrong and every scene ended as it must. --keep leaves it running.

const { values } = parseArgs({
  options: { keep: { type: 'boolean', default: false }, report: { type: 'string', default: 'demo-report.json' } },
});
const terminal = processTerminal(process.env);
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interrupt.abort(new Error(`ended by ${signal}`)));
}

const project = await DemoProject.create();
const story = new Story(project, terminal, interrupt.signal);
let load: LoadRun | null = null;
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
  screen.out(paint(style, 'bold', 'Veza Deploy: a platform of three services, web → api → worker, with PostgreSQL'));
  screen.out(paint(style, 'dim', `in ${project.dir}, for users at ${project.url}`));
  screen.out('');
  await scenes.up();
  const all = ['web', 'api', 'worker'] as const;
  const good = { behaviour: {}, strategy: null, train: false, expect: 'live' } as const;
  await scenes.ship({
    ...good,
    title: 'v1: everything, blue-green',
    version: 'v1',
    services: all,
    strategy: 'blue-green',
    train: true,
  });
  load = scenes.startTraffic();
  await scenes.ship({ ...good, title: 'v2 of web: a canary', version: 'v2', services: ['web'] });
  await scenes.ship({
    ...good,
    title: 'v2 of api and worker: a train',
    version: 'v2',
    services: ['worker', 'api'],
    train: true,
  });
  const bad = await scenes.ship({
    ...good,
    title: 'v3 of web: fails 20 % of requests',
    version: 'v3',
    services: ['web'],
    behaviour: { failPercent: 20 },
    expect: 'reverted',
  });
  await scenes.ship({
    ...good,
    title: 'v4 of web: never ready',
    version: 'v4',
    services: ['web'],
    behaviour: { neverReady: true },
    expect: 'reverted',
  });
  await scenes.ship({
    ...good,
    title: 'v5 of web: kill -9 of the control plane',
    version: 'v5',
    services: ['web'],
    during: () => scenes.killControlPlane(),
  });
  const report = await load.stop();
  const durationSeconds = Math.round((performance.now() - started) / 100) / 10;
  screen.out('');
  for (const line of scoreboard(scenes.scenes, report, style)) screen.out(line);
  const seconds = bad.exposedSeconds === null ? 'never' : `${bad.exposedSeconds.toFixed(1)} s`;
  screen.out('');
  const { found, acknowledged } = report.acknowledged;
  screen.out(`v3 was back on stable ${seconds} after its first request.`);
  screen.out(`${found} of ${acknowledged} acknowledged messages are in PostgreSQL.`);
  await writeFile(
    values.report,
    `${JSON.stringify(demoReport(report, bad.exposedSeconds, durationSeconds), null, 2)}\n`,
  );
  const ok = isClean(report) && scenes.scenes.every((scene) => scene.good);
  const verdict = ok
    ? paint(style, 'green', `${sign(style, 'done')} nothing lost, nothing wrong`)
    : paint(style, 'red', `${sign(style, 'failed')} not as it must be`);
  screen.out(`${verdict} in ${durationSeconds} s; figures in ${values.report}`);
  for (const { kind, operation, detail, sinceStartMs } of report.lostDetails) {
    screen.note(`  lost after ${(sinceStartMs / 1_000).toFixed(1)} s: ${operation} ${kind}: ${detail}`);
  }
  for (const { operation, detail } of report.wrongDetails) screen.note(`  wrong: ${operation}: ${detail}`);
  return ok ? 0 : 1;
}

async function cleanUp(): Promise<void> {
  await load?.stop();
  try {
    await story.down();
    if (process.exitCode !== 1) await project.remove();
  } catch (error) {
    terminal.note(`demo: could not stop everything: ${error instanceof Error ? error.message : String(error)}`);
  }
}
