import { Option } from 'commander';
import { ExitStatus } from '../../errors.ts';
import { buildReleases, checkServices } from '../building.ts';
import { listArgument, type Verb } from '../verb.ts';

export const build: Verb = {
  definition: {
    name: 'build',
    arguments: [['[service...]', 'services to build (default: all)']],
    summary: 'build releases without deploying them',
    options: [
      new Option('--dirty', 'build uncommitted changes too'),
      new Option('--force', 'build even if the same source has been built'),
    ],
    examples: [
      ['veza build', 'a release of every service whose source has changed'],
      ['veza build web --dirty', 'one service, uncommitted changes included'],
    ],
  },
  action: async (context, { args, options }) => {
    const client = context.client();
    const services = listArgument(args[0]);
    await checkServices(client, context.environment, services);
    const built = await buildReleases(context, client, {
      services,
      dirty: options.dirty === true,
      force: options.force === true,
    });
    if (context.json) context.terminal.out(JSON.stringify(built));
    return ExitStatus.ok;
  },
};
