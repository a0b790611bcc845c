import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Option } from 'commander';
import { controlFilePath } from '../../api/control-file.ts';
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
  action: async ({ client, terminal, json, environment, project }, { options }) => {
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
    if (answer.controlPlaneEnds) await untilEnded(project().stateDir);
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
      const back = environment === null ? 'veza up' : `veza up -e ${environment}`;
      terminal.out(`${done} Stopped ${plural(instances, 'instance')} of ${services}${control}. Back: \`${back}\`.`);
    }
    return ExitStatus.ok;
  },
};

/** How long a control plane may take to close its store, in milliseconds. */
const ENDING_MS = 10_000;

/** The control plane answers before it ends, and holds the state folder until it has ended: `veza up` may follow at once. */
async function untilEnded(stateDir: string): Promise<void> {
  const deadline = performance.now() + ENDING_MS;
  while (existsSync(controlFilePath(stateDir)) && performance.now() < deadline) await sleep(10);
}
