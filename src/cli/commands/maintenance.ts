import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Option } from 'commander';
import { LONGEST_PAGE, type MaintenanceRequest } from '../../api/requests.ts';
import { formatDuration, parseDuration } from '../../core/units/duration.ts';
import { ExitStatus, UsageError } from '../../errors.ts';
import { paint, sign } from '../render/style.ts';
import { textArgument, textOption, type Verb, type VerbContext } from '../verb.ts';

async function decide(context: VerbContext, service: string, request: MaintenanceRequest): Promise<ExitStatus> {
  const { terminal, json, environment } = context;
  const answer = await context.client().call('maintenance', {
    params: { environment: environment ?? '-', service },
    body: request,
  });
  if (json) {
    terminal.out(JSON.stringify(answer));
    return ExitStatus.ok;
  }
  const { style } = terminal;
  const text =
    answer.maintenance === null
      ? `${answer.service} is open in ${answer.environment}.`
      : `${answer.service} is under maintenance in ${answer.environment}: users get 503 and a page, deployments go on behind it.`;
  terminal.out(`${paint(style, 'green', sign(style, 'done'))} ${text}`);
  if (!answer.inForce) {
    terminal.out(
      `${paint(style, 'yellow', sign(style, 'warning'))} The gateway cannot be reached; it is told as soon as it can.`,
    );
  }
  if (answer.maintenance !== null) {
    const where = environment === null ? '' : ` -e ${environment}`;
    terminal.out(paint(style, 'dim', `  end it: \`veza maintenance off ${answer.service}${where}\``));
  }
  return ExitStatus.ok;
}

const on: Verb = {
  definition: {
    name: 'on',
    arguments: [['<service>', 'whose users get a page instead']],
    summary: 'give users a page instead of a service',
    description:
      'Users get status 503 and the page (programs that ask for JSON a problem document) until `veza maintenance off`, over\n' +
      'restarts too. Other services, and smoke tests of deployments, still reach the service at its internal address.',
    options: [
      new Option('--page <file>', 'an HTML file of your own (default: a plain built-in page)'),
      new Option('--retry-after <duration>', 'when users and crawlers are asked to come back').default('5m'),
    ],
    examples: [
      ['veza maintenance on web', 'with the built-in page'],
      ['veza maintenance on web --page soon.html --retry-after 1h', 'with your own'],
    ],
  },
  action: async (context, { args, options }) => {
    const file = textOption(options.page);
    return decide(context, textArgument(args[0]) ?? '', {
      kind: 'on',
      retryAfterSeconds: secondsOf(textOption(options.retryAfter) ?? '5m'),
      html: file === null ? null : await readPage(path.resolve(context.cwd, file), file),
    });
  },
};

const off: Verb = {
  definition: {
    name: 'off',
    arguments: [['<service>', 'that users get again']],
    summary: 'end the maintenance of a service',
    examples: [
      ['veza maintenance off web', 'of the default environment'],
      ['veza maintenance off web -e production', 'of another'],
    ],
  },
  action: (context, { args }) => decide(context, textArgument(args[0]) ?? '', { kind: 'off' }),
};

function secondsOf(text: string): number {
  const duration = parseDuration(text);
  if (!duration.ok) {
    const meant = duration.suggestion === null ? '' : ` Did you mean \`${duration.suggestion}\`?`;
    throw new UsageError(
      `\`--retry-after ${text}\`: expected ${duration.expected}.${meant}`,
      'For example `--retry-after 5m`.',
    );
  }
  const seconds = Math.ceil(duration.value / 1_000);
  if (seconds > 86_400) {
    throw new UsageError(
      `\`--retry-after ${text}\` is longer than ${formatDuration(86_400_000)}.`,
      'Say at most `1d`; who comes back earlier is told again.',
    );
  }
  return seconds;
}

async function readPage(file: string, written: string): Promise<string> {
  let html: string;
  try {
    html = await readFile(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`The page ${written} cannot be read: ${reason}.`, 'Name an HTML file with `--page FILE`.');
  }
  if (html.trim() === '')
    throw new UsageError(`The page ${written} is empty.`, 'Name an HTML file with `--page FILE`.');
  if (html.length <= LONGEST_PAGE) return html;
  throw new UsageError(
    `The page ${written} has ${html.length} characters; at most ${LONGEST_PAGE} are kept.`,
    'Take pictures out of it: while maintenance lasts, nothing else of the service can be loaded.',
  );
}

/** A group of verbs: `veza maintenance on`, `veza maintenance off`. */
export const maintenance = { name: 'maintenance', summary: 'give users a page instead of a service', verbs: [on, off] };
