import { Option } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlPlaneLostError, ControlPlaneNotRunningError, ExitStatus } from '../../errors.ts';
import { clockText } from '../render/numbers.ts';
import { paint } from '../render/style.ts';
import { type Verb, textOption } from '../verb.ts';
import { wholeNumber } from './deployments.ts';

const RETRY_MS = 1_000;

export const events: Verb = {
  definition: {
    name: 'events',
    summary: 'the journal: everything that happened',
    options: [
      new Option('-f, --follow', 'and what is going to happen'),
      new Option('--after <seq>', 'entries after this position').default('0'),
      new Option('--deployment <id>', 'of this deployment alone'),
    ],
    examples: [
      ['veza events --follow', 'watch it being written'],
      ['veza events --deployment dep_12 --json', 'one deployment, a line of JSON an entry'],
    ],
  },
  action: async (context, { options }) => {
    const { terminal, json, interrupt, environment, now } = context;
    const client = context.client();
    const follow = options.follow === true;
    const query = {
      environment,
      deployment: textOption(options.deployment),
      follow,
      after: wholeNumber('--after', options.after),
    };
    const { style } = terminal;
    let seen: string | null = null;
    for (;;) {
      try {
        await client.stream(
          'events',
          { query },
          {
            signal: interrupt,
            lastEventId: seen,
            onItem: (event, id) => {
              seen = id;
              const who = [event.environment, event.deployment, event.service]
                .filter((part) => part !== null)
                .join(' ');
              terminal.out(
                json
                  ? JSON.stringify(event)
                  : `${paint(style, 'dim', `${String(event.seq).padStart(5)} ${clockText(event.at, now())}`)} ${paint(style, 'cyan', who)} ${event.text}`,
              );
            },
          },
        );
        return ExitStatus.ok;
      } catch (error) {
        if (interrupt.aborted) return ExitStatus.interrupted;
        const away = error instanceof ControlPlaneLostError || error instanceof ControlPlaneNotRunningError;
        if (!away || !follow || (seen === null && error instanceof ControlPlaneNotRunningError)) throw error;
        // The journal outlives its control plane: go on after what has been seen.
        await sleep(RETRY_MS, undefined, { signal: interrupt }).catch(() => {});
      }
    }
  },
};
