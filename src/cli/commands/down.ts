import { Option } from 'commander';
import { ExitStatus } from '../../errors.ts';
import { plural } from '../render/numbers.ts';
import { paint, sign } from '../render/style.ts';
import type { Verb } from '../verb.ts';

export const down: Verb = {
  definition: {
    name: 'down',
    summary: 'stop everything, or a part of it',
    description: 'Releases, the journal and the data of resources stay.',
    options: [new Option('--keep-running', 'end the control plane alone; instances and gateways go on')],
    examples: [
      ['veza down', 'instances, gateways, resources, control plane'],
      ['veza down -e staging', 'one environment; the control plane stays'],
      ['veza down --keep-running', 'the control plane alone; `veza up` finds the rest again'],
    ],
  },
  action: async ({ client, terminal, json, environment }, { options }) => {
    const { style } = terminal;
    const answer = await client().stream(
      'down',
      { body: { environment, keepRunning: options.keepRunning === true } },
      {
        onItem: ({ text }) => {
          if (!json) terminal.note(paint(style, 'dim', `  ${text}`));
        },
      },
    );
    if (json) {
      terminal.out(JSON.stringify(answer));
      return ExitStatus.ok;
    }
    const done = paint(style, 'green', sign(style, 'done'));
    const instances = answer.stopped.reduce((sum, { instances: count }) => sum + count, 0);
    if (options.keepRunning === true)
      terminal.out(`${done} The control plane has ended; what it deployed goes on. Back: \`veza up\`.`);
    else {
      const services = plural(answer.stopped.length, 'service');
      const control = answer.controlPlaneEnds ? ', and the control plane has ended' : '';
      terminal.out(`${done} Stopped ${plural(instances, 'instance')} of ${services}${control}. Back: \`veza up\`.`);
    }
    return ExitStatus.ok;
  },
};
