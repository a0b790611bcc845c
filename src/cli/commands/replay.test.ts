import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ScriptedControlPlane } from '../../../test/fixtures/scripted-control-plane.ts';
import { serveScripted } from '../../../test/fixtures/scripted-server.ts';
import { explainedLeg, NOW, reverted } from '../../../test/fixtures/views.ts';
import type { EvidenceRecord } from '../../core/analysis/evidence-record.ts';
import { replay as judgeAgain } from '../../core/analysis/replay.ts';
import { chance, evenRoutes, recordOf, secondOf } from '../../core/analysis/testing/route-traffic.ts';
import { ExitStatus } from '../../errors.ts';
import { widthOf } from '../render/style.ts';
import { runCli } from '../run-cli.ts';

const START = NOW / 1_000 - 60;

function broken(): EvidenceRecord {
  const random = chance(21);
  const models = evenRoutes(4, 100, (route) => (_, arm) => (arm === 'candidate' && route === 1 ? 0.3 : 0.001));
  const seconds = Array.from({ length: 60 }, (_, index) => secondOf(models, START + index, 10, random));
  const { worseAt } = judgeAgain(recordOf(seconds));
  return { ...recordOf(seconds.slice(0, (worseAt ?? 0) + 5)), deployment: 'dep_12' };
}

let project: string;
let plane: ScriptedControlPlane;
let server: Awaited<ReturnType<typeof serveScripted>>;
const record = broken();

beforeEach(async () => {
  project = await realpath(await mkdtemp(join(tmpdir(), 'veza-cli-')));
  await writeFile(join(project, 'veza.config.ts'), 'export default {};\n');
  plane = new ScriptedControlPlane();
  server = await serveScripted(plane, project);
  plane.show(reverted());
});

afterEach(async () => {
  await server.close();
  await rm(project, { recursive: true, force: true });
});

async function veza(...args: readonly string[]): Promise<{ status: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const status = await runCli(args, {
    terminal: {
      out: (line) => (out += `${line}\n`),
      note: (line) => (err += `${line}\n`),
      raw: () => {},
      control: (text) => (out += text),
      style: { colour: false, unicode: true, width: 80 },
      canRedraw: false,
      rows: 40,
      onResize: () => () => {},
    },
    cwd: project,
    env: {},
    now: () => NOW,
    interrupt: new AbortController().signal,
    readInput: () => Promise.resolve(''),
  });
  return { status, out, err };
}

/** Journals what a judge said of each second, as the engine does. */
function journal(change: (told: { verdict: string; worse: number }, index: number) => object = () => ({})): void {
  judgeAgain(record).seconds.forEach(({ verdict, stableBroken, evidence }, index) => {
    const { verdict: told = verdict, ...more } = change({ verdict, worse: evidence.worse ?? 0 }, index) as {
      verdict?: typeof verdict;
    };
    const event = {
      type: 'analysis',
      leg: 0,
      observedMs: 1_000,
      trafficMs: 1_000,
      verdict: told,
      stableBroken,
      evidence: { ...evidence, ...more },
    };
    plane.record({
      type: 'analysis',
      text: verdict,
      at: (START + index + 1) * 1_000 + 300,
      data: { event, about: null },
    });
  });
}

describe('veza replay', () => {
  it('agrees with the journal, and says when and with how much evidence', async () => {
    plane.records.push(record);
    journal();
    const { status, out } = await veza('replay', '12');
    expect(out).toMatch(
      /^web: \d+ s from \d\d:\d\d:\d\d, \d+ requests of the candidate\n {2}✔ the same as then: worse at \d\d:\d\d:\d\d with\n? +evidence \d+/,
    );
    expect(out).toContain(`${record.seconds.length} judgements of the journal come out the same`);
    expect(status).toBe(ExitStatus.ok);
  });

  it('says exactly where it does not, and ends with 1', async () => {
    plane.records.push(record);
    journal((_, index) => (index === 2 ? { worse: 99 } : {}));
    const { status, out } = await veza('replay', '12');
    expect(out).toContain('✘ the stored seconds do not give what the journal has');
    expect(out).toMatch(/the journal has undecided at \d\d:\d\d:\d\d with evidence 99; the same counts/);
    expect(status).toBe(ExitStatus.failed);
    const json = await veza('replay', '12', '--json');
    expect(JSON.parse(json.out)).toMatchObject({
      deployment: 'dep_12',
      agrees: false,
      legs: [{ check: { disagreements: [{ journal: { worse: 99 } }] } }],
    });
  });

  it('puts what other settings would have done beside it, and says what nobody can know', async () => {
    plane.records.push(record);
    journal();
    const { status, out } = await veza('replay', '12', '--what-if', 'alpha=0.000001', '--what-if', 'bake=5s');
    expect(out).toMatch(/AS IT WAS +alpha=0\.000001 bake=5s/);
    expect(out).toMatch(/called worse +\d\d:\d\d:\d\d, after \d/);
    expect(out).toMatch(/failed requests until then +\d+ +\d+/);
    expect(out).toMatch(/highest evidence +\S+ of 100 +\S+ of 1\.0e6/);
    expect(out).toContain('no verdict depends on it');
    expect(out.replace(/\s+/g, ' ')).toContain('what users would have met after that is not known');
    for (const line of out.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80);
    expect(status).toBe(ExitStatus.ok);
  });

  it('names settings there are when one is unknown', async () => {
    plane.records.push(record);
    const { status, err } = await veza('replay', '--what-if', 'alhpa=1');
    expect(status).toBe(ExitStatus.usage);
    expect(err).toContain('`--what-if alhpa=1`: there is no setting called `alhpa`; did you mean `alpha`?');
    expect(err).toContain('Known: analysis, alpha, beta');
  });

  it('says that nothing is kept of an old one', async () => {
    const { status, err } = await veza('replay', '12');
    expect(status).not.toBe(ExitStatus.ok);
    expect(err).toMatch(/dep_12|12/);
  });
});

describe('veza show', () => {
  it('prints the evidence, within 80 columns, and gives it to programs', async () => {
    plane.explained = { deployment: 'dep_12', environment: 'production', legs: [explainedLeg()] };
    const { status, out } = await veza('show', '12');
    expect(status).toBe(ExitStatus.ok);
    expect(out).toContain('✘ GET /orders/:id');
    expect(out).toContain('+ aaaaaaaa Show totals');
    for (const line of out.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80);
    const json = await veza('show', '12', '--json');
    expect(JSON.parse(json.out)).toMatchObject({ explanation: { legs: [{ metric: 'errors' }] } });
  });

  it('says of an old one what the journal has', async () => {
    const { out } = await veza('show', '12');
    expect(out).toContain('✘ web: worse\n');
    expect(out).toContain('no seconds of it are kept');
  });
});
