import { Option } from 'commander';
import { UsageError } from '../../errors.ts';
import { checkServices } from '../building.ts';
import { releaseLabels } from '../labels.ts';
import { listArgument, textOption, type Verb } from '../verb.ts';
import { afterRequest } from './deploy.ts';
import { operate } from './operations.ts';

export const rollback: Verb = {
  definition: {
    name: 'rollback',
    arguments: [['[service...]', 'services to bring back, or a deployment such as `dep_12` that is still going on']],
    summary: 'bring services back to an earlier release',
    description: 'While the old slot is warm this is one router write. A rollback is a deployment of its own.',
    options: [
      new Option('--to <release>', 'this release (default: the one before)'),
      new Option('--all', 'every service of the environment'),
      new Option('--detach', 'do not watch'),
    ],
    examples: [
      ['veza rollback web', 'to the release before'],
      ['veza rollback web --to rel_1f0c8ab2', 'to this one'],
      ['veza rollback dep_12', 'take back what is still going on, like `veza abort`'],
    ],
  },
  action: async (context, { args, options }) => {
    const client = context.client();
    const names = listArgument(args[0]);
    const [first] = names;
    const to = textOption(options.to);
    if (first !== undefined && names.length === 1 && /^dep_\d+$/.test(first)) {
      return operate(context, client, first, { kind: 'rollback' }, options.detach !== true);
    }
    if (names.length === 0 && options.all !== true) {
      throw new UsageError('Which service?', 'Name one (`veza rollback web`), or all of the environment with `--all`.');
    }
    if (to !== null && names.length !== 1) {
      throw new UsageError('`--to` is about one service.', 'For example `veza rollback web --to rel_1f0c8ab2`.');
    }
    await checkServices(client, context.environment, names);
    const answer = await client.call('rollback', {
      body: { environment: context.environment, services: names, release: to },
    });
    return afterRequest(context, client, answer, {
      detach: options.detach === true,
      waitRetired: false,
      labels: await releaseLabels(client),
    });
  },
};
