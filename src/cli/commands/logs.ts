import { Option } from 'commander';
import type { LogLineView } from '../../api/schemas.ts';
import { ExitStatus } from '../../errors.ts';
import { checkServices } from '../building.ts';
import { clockText, shortRelease } from '../render/numbers.ts';
import { type Paint, paint, type Style } from '../render/style.ts';
import { listArgument, type Verb } from '../verb.ts';
import { wholeNumber } from './deployments.ts';

export const logs: Verb = {
  definition: {
    name: 'logs',
    arguments: [['[service...]', 'of these services (default: all)']],
    summary: 'what instances wrote',
    options: [
      new Option('-f, --follow', 'and what they are going to write'),
      new Option('-n, --tail <lines>', 'begin with the last so many lines').default('100'),
    ],
    examples: [
      ['veza logs web -f', 'follow one service'],
      ['veza logs -n 20', 'the last 20 lines of every service'],
    ],
  },
  action: async (context, { args, options }) => {
    const { terminal, json, interrupt, environment, now } = context;
    const client = context.client();
    const services = listArgument(args[0]);
    await checkServices(client, environment, services);
    const query = {
      environment,
      services: [...services],
      tail: wholeNumber('--tail', options.tail),
      follow: options.follow === true,
    };
    try {
      await client.stream(
        'logs',
        { query },
        {
          signal: interrupt,
          onItem: (line) => terminal.out(json ? JSON.stringify(line) : logText(line, terminal.style, now())),
        },
      );
    } catch (error) {
      if (interrupt.aborted) return ExitStatus.interrupted;
      throw error;
    }
    return ExitStatus.ok;
  },
};

const PAINTS: readonly Paint[] = ['cyan', 'magenta', 'green', 'yellow', 'blue'];

/** The whole line, never cut: logs are for searching. */
function logText(line: LogLineView, style: Style, now: number): string {
  let sum = 0;
  for (const character of line.service) sum += character.charCodeAt(0);
  const who = paint(style, PAINTS[sum % PAINTS.length] ?? 'cyan', `${line.service} ${line.instance}`);
  const text = line.stream === 'stderr' ? paint(style, 'red', line.text) : line.text;
  return `${paint(style, 'dim', clockText(line.time, now))} ${who} ${paint(style, 'dim', shortRelease(line.release))} ${text}`;
}
