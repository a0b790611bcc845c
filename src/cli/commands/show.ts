import type { EventView } from '../../api/schemas.ts';
import { ExitStatus } from '../../errors.ts';
import { releaseLabels } from '../labels.ts';
import { hasEnded } from '../render/deployment.ts';
import { showLines } from '../render/show.ts';
import { textArgument, type Verb } from '../verb.ts';

export const show: Verb = {
  definition: {
    name: 'show',
    arguments: [['[deployment]', '`dep_12`, `12` or `latest` (default: latest)']],
    summary: 'one deployment in full, with its timeline',
    examples: [
      ['veza show', 'the latest'],
      ['veza show dep_12', 'what happened, when and why'],
    ],
  },
  action: async (context, { args }) => {
    const { terminal, json, now, interrupt } = context;
    const client = context.client();
    const deployment = await client.call('deployment', { params: { id: textArgument(args[0]) ?? 'latest' } });
    const timeline: EventView[] = [];
    await client.stream(
      'events',
      { query: { deployment: deployment.id } },
      { signal: interrupt, onItem: (event) => void timeline.push(event) },
    );
    if (json) {
      terminal.out(JSON.stringify({ deployment, timeline }));
      return ExitStatus.ok;
    }
    const labels = await releaseLabels(client);
    for (const line of showLines(deployment, timeline, { style: terminal.style, now: now(), labels }))
      terminal.out(line);
    if (!hasEnded(deployment) && deployment.committedAt === null)
      terminal.out(`\nIt goes on: \`veza watch ${deployment.id}\`.`);
    return ExitStatus.ok;
  },
};
