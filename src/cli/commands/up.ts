import { Option } from 'commander';
import type { InfoView } from '../../api/schemas.ts';
import { controlLogPath } from '../../api/control-file.ts';
import { ControlPlaneNotRunningError, ExitStatus } from '../../errors.ts';
import { runForeground, startDetached } from '../control-process.ts';
import { durationText } from '../render/numbers.ts';
import { paint, sign } from '../render/style.ts';
import type { Verb, VerbContext } from '../verb.ts';

export const up: Verb = {
  definition: {
    name: 'up',
    summary: 'start control plane, gateways and resources',
    description: 'It goes on in the background. What was deployed before is found again, running or not.',
    options: [new Option('--foreground', 'stay, and show its log; Ctrl-C ends it')],
    examples: [
      ['veza up', 'start it, or say that it runs'],
      ['veza up --foreground', 'under systemd, in a container, or to look at it'],
    ],
  },
  action: async (context, { options }) => {
    const { terminal, json, now, interrupt } = context;
    const project = context.project();
    const client = context.client();
    const running = await infoOrNull(context, client);
    if (running !== null) {
      say(context, running, `The control plane runs already (pid ${running.pid}).`);
      return ExitStatus.ok;
    }
    if (options.foreground === true) return runForeground(project, interrupt);
    const started = now();
    await startDetached(project, {
      signal: interrupt,
      onProgress: (text) => {
        if (!json) terminal.note(paint(terminal.style, 'dim', `  ${text}`));
      },
    });
    const info = await client.call('info', {});
    say(context, info, `The control plane is up (pid ${info.pid}) after ${durationText(now() - started)}.`);
    return ExitStatus.ok;
  },
};

async function infoOrNull(_: VerbContext, client: ReturnType<VerbContext['client']>): Promise<InfoView | null> {
  try {
    return await client.call('info', {});
  } catch (error) {
    if (error instanceof ControlPlaneNotRunningError) return null;
    throw error;
  }
}

function say({ terminal, json }: VerbContext, info: InfoView, headline: string): void {
  if (json) {
    terminal.out(JSON.stringify(info));
    return;
  }
  const { style } = terminal;
  terminal.out(`${paint(style, 'green', sign(style, 'done'))} ${headline}`);
  const width = Math.max(3, ...info.environments.map(({ name }) => name.length));
  const fact = (name: string, text: string): void =>
    terminal.out(`  ${paint(style, 'dim', name.padEnd(width))}  ${text}`);
  for (const environment of info.environments) {
    // What is declared and not started yet comes up with its first deployment.
    if (environment.url !== null && environment.gatewayPid !== null)
      fact(environment.name, `${environment.url}  ${paint(style, 'dim', environment.services.join(', '))}`);
  }
  fact('log', controlLogPath(info.stateDir));
}
