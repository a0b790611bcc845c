import { Option } from 'commander';
import { ExitStatus, UsageError } from '../../errors.ts';
import { deploymentsLines } from '../render/status.ts';
import { textArgument, type Verb } from '../verb.ts';

export const deployments: Verb = {
  definition: {
    name: 'deployments',
    arguments: [['[service]', 'of this service alone']],
    summary: 'list deployments, newest first',
    options: [
      new Option('--active', 'only those that have not ended'),
      new Option('-n, --limit <count>', 'at most so many').default('20'),
    ],
    examples: [
      ['veza deployments', 'the last 20 of all environments'],
      ['veza deployments web -e production -n 5', 'the last five of one service'],
    ],
  },
  action: async ({ client, terminal, json, now, environment }, { args, options }) => {
    const limit = wholeNumber('--limit', options.limit);
    const found = await client().call('deployments', {
      query: { environment, service: textArgument(args[0]), active: options.active === true, limit },
    });
    if (json) terminal.out(JSON.stringify(found));
    else if (found.length === 0) terminal.out('No deployment yet. Start one: `veza deploy`.');
    else for (const line of deploymentsLines(found, { style: terminal.style, now: now() })) terminal.out(line);
    return ExitStatus.ok;
  },
};

/** Parses an option that counts. Throws UsageError. */
export function wholeNumber(option: string, value: unknown): number {
  if (typeof value === 'string' && /^\d{1,9}$/.test(value)) return Number(value);
  throw new UsageError(
    `\`${option}\` expects a whole number, got \`${String(value)}\`.`,
    `For example \`${option} 50\`.`,
  );
}
