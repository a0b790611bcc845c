import { Option } from 'commander';
import { StrategyKindSchema } from '../../api/schemas.ts';
import { ExitStatus } from '../../errors.ts';
import { isRefused, planLines } from '../render/plan.ts';
import { listArgument, type Verb } from '../verb.ts';

export const plan: Verb = {
  definition: {
    name: 'plan',
    arguments: [['[service...]', 'default: all of the environment']],
    summary: 'what a deployment now would do: stages, how long, which faults it sees when, gates',
    description:
      'Nothing is built and nothing is touched. How long it takes and what it can see follows from the traffic of the\n' +
      'last week; without any it says so. The exit status is 4 when `veza deploy` would be refused.',
    options: [
      new Option('--strategy <kind>', 'as if deployed by this strategy').choices([...StrategyKindSchema.options]),
    ],
    examples: [
      ['veza plan', 'all services of the default environment'],
      ['veza plan api -e production', 'one, elsewhere: which gates are in its way'],
      ['veza plan api --strategy blue-green', 'what another strategy would see'],
      ['veza plan --json', 'in full, for programs'],
    ],
  },
  action: async ({ client, terminal, json, environment }, { args, options }) => {
    const strategy = StrategyKindSchema.nullable().parse(options.strategy ?? null);
    const view = await client().call('forecast', {
      params: { environment: environment ?? '-' },
      body: { services: listArgument(args[0]), strategy },
    });
    if (json) terminal.out(JSON.stringify(view));
    else for (const line of planLines(view, terminal.style)) terminal.out(line);
    return isRefused(view) ? ExitStatus.refused : ExitStatus.ok;
  },
};
