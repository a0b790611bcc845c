import { Option } from 'commander';
import { ExitStatus, UsageError } from '../../errors.ts';
import { relativeText } from '../render/numbers.ts';
import { paint, sign } from '../render/style.ts';
import { table } from '../render/table.ts';
import { textArgument, textOption, type Verb } from '../verb.ts';

const setSecret: Verb = {
  definition: {
    name: 'set',
    arguments: [['<name>', 'as veza.config.ts refers to it']],
    summary: 'set a secret; the value comes from standard input',
    description: 'Instances get it when they are next started by a deployment.',
    options: [new Option('--from-env <variable>', 'take the value from this variable of the environment')],
    examples: [
      ['veza secrets set SESSION_KEY < key.txt', 'from a file; one closing line end is taken off'],
      ['veza secrets set SESSION_KEY -e production --from-env KEY', 'from a variable'],
    ],
  },
  action: async (context, { args, options }) => {
    const { terminal, json, env, environment } = context;
    const variable = textOption(options.fromEnv);
    const value = variable === null ? (await context.readInput()).replace(/\r?\n$/, '') : env[variable];
    if (value === undefined || value === '') {
      throw new UsageError(
        variable === null ? 'Standard input is empty.' : `The variable ${variable} is not set.`,
        'For example `veza secrets set NAME < file`. A value on the command line would end up in its history.',
      );
    }
    const secret = await context.client().call('setSecret', {
      params: { environment: environment ?? '-', name: textArgument(args[0]) ?? '' },
      body: { value },
    });
    if (json) terminal.out(JSON.stringify(secret));
    else {
      const used =
        secret.usedBy.length === 0
          ? 'nothing refers to it yet'
          : `used by ${secret.usedBy.join(', ')} from the next deployment on`;
      terminal.out(
        `${paint(terminal.style, 'green', sign(terminal.style, 'done'))} ${secret.name} is set in ${secret.environment}; ${used}.`,
      );
    }
    return ExitStatus.ok;
  },
};

const listSecrets: Verb = {
  definition: {
    name: 'list',
    summary: 'names of secrets, set or missing; never a value',
    examples: [
      ['veza secrets list', 'of the default environment'],
      ['veza secrets list -e production', 'of another'],
    ],
  },
  action: async ({ client, terminal, json, now, environment }) => {
    const found = await client().call('secrets', { query: { environment } });
    if (json) terminal.out(JSON.stringify(found));
    else if (found.length === 0) terminal.out('No secret is set or referred to.');
    else {
      const { style } = terminal;
      const rows = found.map((secret) => [
        secret.environment,
        secret.name,
        secret.setAt === null ? paint(style, 'red', 'missing') : relativeText(secret.setAt, now()),
        secret.usedBy.join(', '),
      ]);
      for (const line of table(
        style,
        [{ title: 'ENVIRONMENT' }, { title: 'NAME' }, { title: 'SET' }, { title: 'USED BY' }],
        rows,
      )) {
        terminal.out(line);
      }
    }
    return ExitStatus.ok;
  },
};

/** Verbs of `veza secrets`. */
export const secrets = {
  name: 'secrets',
  summary: 'set and list secrets',
  verbs: [setSecret, listSecrets],
} as const;
