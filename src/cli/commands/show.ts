import { ExitStatus } from '../../errors.ts';
import { releaseLabels } from '../labels.ts';
import { timelineOf } from '../timeline.ts';
import { hasEnded } from '../render/deployment.ts';
import { showLines } from '../render/show.ts';
import { textArgument, type Verb } from '../verb.ts';

export const show: Verb = {
  definition: {
    name: 'show',
    arguments: [['[deployment]', '`dep_12`, `12` or `latest` (default: latest)']],
    summary: 'one deployment in full: what happened, when, and why',
    description:
      'The evidence behind its verdict: metrics, routes, failed requests, lines of the log, and what changed between the releases.',
    examples: [
      ['veza show', 'the latest'],
      ['veza show dep_12', 'what happened, when and why'],
    ],
  },
  action: async (context, { args }) => {
    const { terminal, json, now, interrupt } = context;
    const client = context.client();
    const deployment = await client.call('deployment', { params: { id: textArgument(args[0]) ?? 'latest' } });
    const timeline = await timelineOf(client, deployment.id, interrupt);
    const explanation = await client.call('explanation', { params: { id: deployment.id } });
    if (json) {
      terminal.out(JSON.stringify({ deployment, timeline, explanation }));
      return ExitStatus.ok;
    }
    const labels = await releaseLabels(client);
    for (const line of showLines(deployment, explanation, timeline, { style: terminal.style, now: now(), labels }))
      terminal.out(line);
    if (!hasEnded(deployment) && deployment.committedAt === null)
      terminal.out(`\nIt goes on: \`veza watch ${deployment.id}\`.`);
    return ExitStatus.ok;
  },
};
