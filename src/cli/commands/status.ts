import { ExitStatus } from '../../errors.ts';
import { statusLines } from '../render/status.ts';
import type { Verb } from '../verb.ts';

export const status: Verb = {
  definition: {
    name: 'status',
    summary: 'services, what they run and how they are',
    examples: [
      ['veza status', 'of all environments'],
      ['veza status -e production --json', 'of one, with every instance'],
    ],
  },
  action: async ({ client, terminal, json, now, environment }) => {
    const view = await client().call('status', { query: { environment } });
    if (json) terminal.out(JSON.stringify(view));
    else for (const line of statusLines(view, { style: terminal.style, now: now() })) terminal.out(line);
    return ExitStatus.ok;
  },
};
