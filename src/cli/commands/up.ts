import { Option } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import type { InfoView, ServiceStatusView } from '../../api/schemas.ts';
import { controlLogPath } from '../../api/control-file.ts';
import { ControlPlaneNotRunningError, ExitStatus } from '../../errors.ts';
import { runForeground, startDetached } from '../control-process.ts';
import { listText } from '../render/deployment.ts';
import { durationText } from '../render/numbers.ts';
import { remark } from '../render/status.ts';
import { paint, sign } from '../render/style.ts';
import type { Verb, VerbContext } from '../verb.ts';

const READY_PATIENCE_MS = 20_000;
const READY_POLL_MS = 200;

export const up: Verb = {
  definition: {
    name: 'up',
    summary: 'start control plane, gateways and resources, or what of them is down',
    description:
      'It goes on in the background. What was live before comes up again; this waits for it, up to 20 s. Environments that\n' +
      'were taken down alone (`veza down -e NAME`) come up again, too; with `-e` only the one that is named.',
    options: [new Option('--foreground', 'stay, and show its log; Ctrl-C ends it')],
    examples: [
      ['veza up', 'start it, or say that it runs'],
      ['veza up -e staging', 'bring back an environment that was taken down'],
      ['veza up --foreground', 'under systemd, in a container, or to look at it'],
    ],
  },
  action: async (context, { options }) => {
    const { terminal, json, now, interrupt, environment } = context;
    const project = context.project();
    const client = context.client();
    const running = await infoOrNull(context, client);
    const started = now();
    if (running !== null) {
      const came = await comeUp(context, client);
      if (came.length === 0) say(context, running, `The control plane runs already (pid ${running.pid}).`);
      else {
        await waitAndSay(
          context,
          client,
          () =>
            `${listText(came)} ${came.length === 1 ? 'is' : 'are'} up again after ${durationText(now() - started)}.`,
        );
      }
      return ExitStatus.ok;
    }
    if (options.foreground === true) return runForeground(project, interrupt);
    await startDetached(project, {
      signal: interrupt,
      onProgress: (text) => {
        if (!json) terminal.note(paint(terminal.style, 'dim', `  ${text}`));
      },
    });
    // One in which nothing is deployed comes up only for whoever names it.
    if (environment !== null) await comeUp(context, client);
    await waitAndSay(
      context,
      client,
      ({ pid }) => `The control plane is up (pid ${pid}) after ${durationText(now() - started)}.`,
    );
    return ExitStatus.ok;
  },
};

/** Has what is down started by the control plane that runs. Returns the environments that were. */
async function comeUp(
  { terminal, json, environment }: VerbContext,
  client: ReturnType<VerbContext['client']>,
): Promise<readonly string[]> {
  const { started } = await client.stream(
    'up',
    { body: { environment } },
    {
      onItem: ({ text }) => {
        if (!json) terminal.note(paint(terminal.style, 'dim', `  ${text}`));
      },
    },
  );
  return started;
}

async function waitAndSay(
  context: VerbContext,
  client: ReturnType<VerbContext['client']>,
  headline: (info: InfoView) => string,
): Promise<void> {
  const { waiting, notes } = await untilReady(context, client);
  const info = await client.call('info', {});
  say(context, info, headline(info));
  if (context.json) return;
  // A certificate that cannot be used, a port that was taken: it is up, and yet something is wrong with it.
  for (const text of notes) for (const line of remark(context.terminal.style, text)) context.terminal.note(line);
  if (waiting.length > 0) {
    context.terminal.note(`  Not ready yet: ${waiting.map(readyText).join(', ')}. \`veza status\` says more.`);
  }
}

/**
 * What was live before comes up again by itself; who reads "up" wants to use it. Waits a while for what is live to be ready,
 * and returns what is not, and what else there is to say.
 */
async function untilReady(
  { terminal, json, now, interrupt }: VerbContext,
  client: ReturnType<VerbContext['client']>,
): Promise<{ readonly waiting: readonly ServiceStatusView[]; readonly notes: readonly string[] }> {
  const end = now() + READY_PATIENCE_MS;
  let told = '';
  for (;;) {
    const { services, notes } = await client.call('status', { query: { environment: null } });
    const waiting = services.filter(({ stable, ready, wanted }) => stable !== null && ready < wanted);
    if (waiting.length === 0 || now() >= end) return { waiting, notes };
    const text = waiting.map(readyText).join(', ');
    if (text !== told && !json) terminal.note(paint(terminal.style, 'dim', `  ${text} …`));
    told = text;
    await sleep(READY_POLL_MS, undefined, { signal: interrupt });
  }
}

const readyText = ({ environment, service, ready, wanted }: ServiceStatusView): string =>
  `${environment}: ${service} ${ready}/${wanted} ready`;

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
