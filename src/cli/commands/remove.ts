import { ExitStatus } from '../../errors.ts';
import { plural } from '../render/numbers.ts';
import { paint, sign } from '../render/style.ts';
import { textArgument, type Verb } from '../verb.ts';

export const remove: Verb = {
  definition: {
    name: 'remove',
    arguments: [['<service>', 'that is not declared any more']],
    summary: 'take away a service that veza.config.ts does not declare any more',
    description:
      'Out of the router first, then drained, then stopped. It is refused while the service is declared, or a deployment of it\n' +
      'is under way. Releases and data stay; to have it again, declare it and deploy.',
    examples: [
      ['veza remove hello', 'what `veza status` calls not declared any more'],
      ['veza remove hello -e staging', 'in another environment'],
    ],
  },
  action: async ({ client, terminal, json, environment }, { args }) => {
    const { style } = terminal;
    const answer = await client().stream(
      'removeService',
      { body: { environment, service: textArgument(args[0]) ?? '' } },
      {
        onItem: ({ text }) => {
          if (!json) terminal.note(paint(style, 'dim', `  ${text}`));
        },
      },
    );
    if (json) terminal.out(JSON.stringify(answer));
    else {
      const done = paint(style, 'green', sign(style, 'done'));
      const stopped = answer.instances === 0 ? '' : `, ${plural(answer.instances, 'instance')} stopped`;
      terminal.out(`${done} ${answer.service} is gone from ${answer.environment}${stopped}.`);
    }
    return ExitStatus.ok;
  },
};
