import { Option } from 'commander';
import { ExitStatus } from '../../errors.ts';
import { releaseLabels } from '../labels.ts';
import { textArgument, type Verb } from '../verb.ts';
import { watchDeployments } from '../watch-deployments.ts';

export const watch: Verb = {
  definition: {
    name: 'watch',
    arguments: [['[deployment]', '`dep_12`, `12` or `latest` (default: all active ones, or the latest)']],
    summary: 'watch a deployment go on',
    description: 'Ends when it has committed or was taken back, with the exit status of `veza deploy`.',
    options: [new Option('--wait-retired', 'return only when the old slot is stopped')],
    examples: [
      ['veza watch', 'whatever is going on'],
      ['veza watch dep_12 --json', 'a line of JSON on every change'],
    ],
  },
  action: async (context, { args, options }) => {
    const client = context.client();
    const id = textArgument(args[0]);
    const active =
      id === null
        ? await client.call('deployments', { query: { environment: context.environment, active: true } })
        : [];
    // After the commit there is nothing to watch but a slot that is kept warm.
    const going = active.filter((view) => view.committedAt === null).map((view) => view.id);
    if (id === null && going.length === 0) {
      const [latest] = await client.call('deployments', { query: { environment: context.environment, limit: 1 } });
      if (latest === undefined) {
        if (!context.json) context.terminal.out('No deployment yet. Start one: `veza deploy`.');
        return ExitStatus.ok;
      }
      going.push(latest.id);
    }
    // Resolved first: an unknown one is a mistake, not something to wait for.
    const ids = id === null ? going : [(await client.call('deployment', { params: { id } })).id];
    return watchDeployments(context, client, ids, {
      waitRetired: options.waitRetired === true,
      labels: await releaseLabels(client),
    });
  },
};
