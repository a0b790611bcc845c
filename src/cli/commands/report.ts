import { Option } from 'commander';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ApiClient } from '../../api/client.ts';
import type { DeploymentView } from '../../api/schemas.ts';
import { VERSION } from '../../api/version.ts';
import type { EvidenceRecord } from '../../core/analysis/evidence-record.ts';
import { ExitStatus, RemoteError, ReportNotWrittenError } from '../../errors.ts';
import { releaseLabels } from '../labels.ts';
import { timelineOf } from '../timeline.ts';
import { hasEnded } from '../render/deployment.ts';
import { bytesText } from '../render/numbers.ts';
import { paint, sign } from '../render/style.ts';
import { contextsOf } from '../report/context.ts';
import { reportPage } from '../report/page.ts';
import { textArgument, textOption, type Verb } from '../verb.ts';

export const report: Verb = {
  definition: {
    name: 'report',
    arguments: [['[deployment]', '`dep_12`, `12` or `latest` (default: latest)']],
    summary: 'one deployment as a page for a post-mortem: curves, evidence, routes, timeline',
    description:
      'Writes one HTML file that needs nothing but a browser: no server, no network, no script to be read. It has what\n' +
      '`veza show` says and the curves behind it, for screens and for paper.',
    options: [new Option('-o, --output <file>', 'where to; `-` is standard output (default: <deployment>.html here)')],
    examples: [
      ['veza report', 'the latest deployment, as dep_12.html'],
      ['veza report dep_12 -o report.html', 'another one, elsewhere'],
      ['veza report dep_12 -o - | less', 'to standard output'],
    ],
  },
  action: async (context, { args, options }) => {
    const { terminal, json, now, interrupt, cwd } = context;
    const client = context.client();
    const deployment = await client.call('deployment', { params: { id: textArgument(args[0]) ?? 'latest' } });
    const timeline = await timelineOf(client, deployment.id, interrupt);
    const evidence = await evidenceOf(client, deployment);
    const page = reportPage({
      deployment,
      timeline,
      evidence,
      context: contextsOf(await client.call('explanation', { params: { id: deployment.id } })),
      labels: await releaseLabels(client),
      madeAt: now(),
      version: VERSION,
    });
    const output = textOption(options.output) ?? `${deployment.id}.html`;
    if (output === '-') {
      terminal.out(page.trimEnd());
      return ExitStatus.ok;
    }
    const file = resolve(cwd, output);
    await writeFile(file, page).catch((error: unknown) => {
      throw new ReportNotWrittenError(file, reasonOf(error));
    });
    const bytes = Buffer.byteLength(page);
    const legs = evidence.map((record, index) => ({
      service: deployment.legs[index]?.service ?? '',
      seconds: record?.seconds.length ?? 0,
    }));
    if (json) {
      terminal.out(JSON.stringify({ deployment: deployment.id, file, bytes, legs }));
      return ExitStatus.ok;
    }
    terminal.out(`${paint(terminal.style, 'green', sign(terminal.style, 'done'))} ${file} (${bytesText(bytes)})`);
    if (legs.every(({ seconds }) => seconds === 0))
      terminal.note(`Nothing is kept of what ${deployment.id} was judged by: the page has its journal, and no curves.`);
    else if (!hasEnded(deployment))
      terminal.note(`${deployment.id} goes on: this is what is known so far. \`veza watch ${deployment.id}\``);
    return ExitStatus.ok;
  },
};

/** What is kept of each leg, in their order; null where nothing is. */
async function evidenceOf(
  client: ApiClient,
  { id, legs }: DeploymentView,
): Promise<readonly (EvidenceRecord | null)[]> {
  try {
    const records: readonly EvidenceRecord[] = await client.call('evidence', { params: { id } });
    return legs.map((_, index) => records.find(({ leg }) => leg === index) ?? null);
  } catch (error) {
    if (error instanceof RemoteError && error.code === 'evidence-not-kept') return legs.map(() => null);
    throw error;
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const known: Readonly<Record<string, string>> = {
    ENOENT: 'its folder does not exist',
    EACCES: 'it may not be written',
    EROFS: 'the file system is read-only',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of its path is a file',
    ENOSPC: 'the disk is full',
  };
  return known[code] ?? (error instanceof Error ? error.message : String(error));
}
