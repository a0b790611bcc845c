import type { CheckView } from '../../api/schemas.ts';
import { ControlPlaneNotRunningError, ExitStatus, ProjectNotFoundError } from '../../errors.ts';
import {
  checkCgroup,
  checkDisk,
  checkGit,
  checkNode,
  checkPostgres,
  checkRepository,
  checkStateDir,
} from '../local-checks.ts';
import { paint, type Sign, sign, type Style, wrap } from '../render/style.ts';
import type { Verb, VerbContext } from '../verb.ts';

export const doctor: Verb = {
  definition: {
    name: 'doctor',
    summary: 'what this machine lacks, and how to fix it',
    description: 'Works without a control plane; says more with one. Exit status 1 when something is missing.',
    examples: [
      ['veza doctor', 'of this project'],
      ['veza doctor --json', 'for a script that sets machines up'],
    ],
  },
  action: async (context) => {
    const checks = await allChecks(context);
    const { terminal, json } = context;
    if (json) terminal.out(JSON.stringify(checks));
    else for (const line of checkLines(checks, terminal.style)) terminal.out(line);
    return checks.some((check) => check.state === 'missing') ? ExitStatus.failed : ExitStatus.ok;
  },
};

async function allChecks(context: VerbContext): Promise<readonly CheckView[]> {
  const { interrupt } = context;
  const machine = [checkNode(), await checkGit(interrupt), await checkCgroup(), checkPostgres()];
  let project;
  try {
    project = context.project();
  } catch (error) {
    if (!(error instanceof ProjectNotFoundError)) throw error;
    return [...machine, { name: 'project', state: 'warning', text: error.message, fix: 'veza init' }];
  }
  const local = [
    await checkRepository(project.dir, interrupt),
    await checkStateDir(project.stateDir),
    await checkDisk(project.stateDir),
  ];
  const remote = await remoteChecks(context);
  // Who knows more about it says it.
  const own = local.filter((check) => remote.every(({ name }) => name !== check.name));
  return [...machine, ...own, ...remote];
}

/** What the control plane says, or that there is none. */
async function remoteChecks(context: VerbContext): Promise<readonly CheckView[]> {
  const client = context.client();
  try {
    const info = await client.call('info', {});
    const checks = await client.call('doctor', {});
    return [
      { name: 'control plane', state: 'ok', text: `version ${info.version}, pid ${info.pid}`, fix: null },
      ...checks,
    ];
  } catch (error) {
    if (!(error instanceof ControlPlaneNotRunningError)) throw error;
    return [{ name: 'control plane', state: 'warning', text: 'not running; it can say more', fix: 'veza up' }];
  }
}

const MARKS: Readonly<Record<CheckView['state'], readonly [Sign, 'green' | 'yellow' | 'red']>> = {
  ok: ['done', 'green'],
  warning: ['warning', 'yellow'],
  missing: ['failed', 'red'],
};

export function checkLines(checks: readonly CheckView[], style: Style): readonly string[] {
  const width = Math.max(...checks.map((check) => check.name.length));
  const room = Math.max(30, style.width - width - 4);
  const indent = ' '.repeat(width + 4);
  return checks.flatMap((check) => {
    const [mark, colour] = MARKS[check.state];
    const [first = '', ...rest] = wrap(check.text, room);
    return [
      `${paint(style, colour, sign(style, mark))} ${check.name.padEnd(width)}  ${first}`,
      ...rest.map((line) => indent + line),
      ...(check.fix === null
        ? []
        : wrap(`${sign(style, 'arrow')} ${check.fix}`, room).map((line) => indent + paint(style, 'cyan', line))),
    ];
  });
}
