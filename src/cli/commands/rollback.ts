import { Option } from 'commander';
import type { ApiClient } from '../../api/client.ts';
import { UsageError } from '../../errors.ts';
import { checkServices } from '../building.ts';
import { releaseLabels } from '../labels.ts';
import { listArgument, textOption, type Verb, type VerbContext } from '../verb.ts';
import { afterRequest } from './deploy.ts';
import { operate } from './operations.ts';

export const rollback: Verb = {
  definition: {
    name: 'rollback',
    arguments: [
      [
        '[service...]',
        'services to bring back (default: the only one there is), or a deployment that is still going on, such as `dep_12`',
      ],
    ],
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
    const given = listArgument(args[0]);
    const [first] = given;
    const to = textOption(options.to);
    if (first !== undefined && given.length === 1 && /^dep_\d+$/.test(first)) {
      return operate(context, client, first, { kind: 'rollback' }, options.detach !== true);
    }
    const names = given.length === 0 && options.all !== true ? await onlyService(context, client) : given;
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

/** Where there is one service, it is the one that is meant. */
async function onlyService(context: VerbContext, client: ApiClient): Promise<readonly string[]> {
  const info = await client.call('info', {});
  const name = context.environment ?? info.defaultEnvironment;
  const services = info.environments.find((environment) => environment.name === name)?.services ?? [];
  if (services.length === 1) return services;
  const example = services[0] ?? 'web';
  throw new UsageError(
    'Which service?',
    `Name one (\`veza rollback ${example}\`), or all of the environment with \`--all\`.`,
  );
}
