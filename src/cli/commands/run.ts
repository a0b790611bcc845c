import { Option } from 'commander';
import { ExitStatus, UsageError } from '../../errors.ts';
import { checkServices } from '../building.ts';
import { listArgument, textArgument, textOption, type Verb } from '../verb.ts';

export const run: Verb = {
  definition: {
    name: 'run',
    arguments: [
      ['<service>', 'whose code and configuration the process gets'],
      ['[command...]', 'program and arguments, after `--`'],
    ],
    summary: 'run a one-off admin process',
    description: 'Its output is streamed, its exit status is returned, Ctrl-C stops it.',
    options: [new Option('--release <id>', 'with this release (default: the stable one)')],
    examples: [
      ['veza run api -- node scripts/reindex.mjs --all', 'with the stable release'],
      ['veza run api -e production -- node -e "console.log(process.env.DATABASE_URL)"', 'look at what it sees'],
    ],
  },
  action: async (context, { args, options }) => {
    const { terminal, json, interrupt, environment } = context;
    const service = textArgument(args[0]) ?? '';
    const [program, ...rest] = listArgument(args[1]);
    if (program === undefined)
      throw new UsageError('Run what?', `For example \`veza run ${service} -- node --version\`.`);
    const client = context.client();
    await checkServices(client, environment, [service]);
    try {
      const { exitStatus } = await client.stream(
        'run',
        { body: { environment, service, release: textOption(options.release), command: [program, ...rest] } },
        {
          signal: interrupt,
          onItem: (output) => {
            if (json) terminal.out(JSON.stringify(output));
            else terminal.raw(output.stream, Buffer.from(output.base64, 'base64'));
          },
        },
      );
      if (json) terminal.out(JSON.stringify({ exitStatus }));
      return exitStatus;
    } catch (error) {
      if (interrupt.aborted) return ExitStatus.interrupted;
      throw error;
    }
  },
};
