import { type Argument, Command } from 'commander';
import { VERSION } from '../api/version.ts';
import { build } from './commands/build.ts';
import { completion } from './commands/completion.ts';
import { deploy } from './commands/deploy.ts';
import { deployments } from './commands/deployments.ts';
import { doctor } from './commands/doctor.ts';
import { down } from './commands/down.ts';
import { events } from './commands/events.ts';
import { gateway } from './commands/gateway.ts';
import { image } from './commands/image.ts';
import { synth } from './commands/synth.ts';
import { init } from './commands/init.ts';
import { logs } from './commands/logs.ts';
import { maintenance } from './commands/maintenance.ts';
import { migrations } from './commands/migrations.ts';
import { abort, approve, pause, promote, resume, retry } from './commands/operations.ts';
import { plan } from './commands/plan.ts';
import { releases } from './commands/releases.ts';
import { remove } from './commands/remove.ts';
import { replay } from './commands/replay.ts';
import { report } from './commands/report.ts';
import { rollback } from './commands/rollback.ts';
import { run } from './commands/run.ts';
import { secrets } from './commands/secrets.ts';
import { show } from './commands/show.ts';
import { status } from './commands/status.ts';
import { up } from './commands/up.ts';
import { validate } from './commands/validate.ts';
import { watch } from './commands/watch.ts';
import { type CliEnvironment, globalOptions, toCommand, type Verb } from './verb.ts';

/** Verbs by what one wants; adding one is a file and a line here. */
const GROUPS: readonly (readonly [title: string, verbs: readonly Verb[]])[] = [
  ['Begin:', [init, doctor, validate, up, down]],
  ['Deploy:', [plan, deploy, build, releases, rollback, remove]],
  ['Look:', [status, deployments, show, replay, report, watch, logs, events]],
  ['Act on a deployment:', [pause, resume, promote, abort, retry, approve]],
];

const HELP_AFTER = `
Examples:
  $ veza init && veza up     a working example, running
  $ veza deploy              build what is committed and bring it live, watched
  $ veza rollback hello      one router write back

Exit status: 0 well, 1 failed, 2 wrong usage, 3 invalid configuration, 4 refused, 5 taken back,
6 no control plane, 7 conflict, 130 interrupted (docs/exit-codes.md).
`;

/** The command line as a tree. @param finish - gets the exit status of the verb that ran */
export function buildProgram(environment: CliEnvironment, finish: (status: number) => void): Command {
  const program = new Command('veza')
    .description('Ships a platform of services without losing a request, and takes a bad release back by itself.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .usage('<command> [options]')
    .addHelpText('after', HELP_AFTER);
  for (const option of globalOptions()) program.addOption(option);
  for (const [title, verbs] of GROUPS) {
    for (const verb of verbs) program.addCommand(toCommand(verb, environment, finish).helpGroup(title));
  }
  const others = 'Run and set up:';
  program.addCommand(toCommand(run, environment, finish).helpGroup(others));
  const group = new Command(secrets.name)
    .summary(secrets.summary)
    .description(secrets.summary)
    .addHelpText(
      'after',
      '\nExamples:\n  $ veza secrets set SESSION_KEY < key.txt\n  $ veza secrets list -e production\n',
    )
    .helpGroup(others);
  for (const verb of secrets.verbs) group.addCommand(toCommand(verb, environment, finish));
  program.addCommand(group);
  const images = new Command(image.name)
    .summary(image.summary)
    .description(image.summary)
    .addHelpText('after', '\nExamples:\n  $ veza image scan\n  $ veza image scan api --json\n')
    .helpGroup(others);
  for (const verb of image.verbs) images.addCommand(toCommand(verb, environment, finish));
  program.addCommand(images);
  const files = new Command(synth.name)
    .summary(synth.summary)
    .description(synth.summary)
    .addHelpText(
      'after',
      '\nExamples:\n  $ veza synth docker --builder registry.example/node@sha256:…\n  $ veza synth docker --builder registry.example/node@sha256:… --check\n',
    )
    .helpGroup(others);
  for (const verb of synth.verbs) files.addCommand(toCommand(verb, environment, finish));
  program.addCommand(files);
  const closing = new Command(maintenance.name)
    .summary(maintenance.summary)
    .description(maintenance.summary)
    .addHelpText('after', '\nExamples:\n  $ veza maintenance on web --retry-after 10m\n  $ veza maintenance off web\n')
    .helpGroup(others);
  for (const verb of maintenance.verbs) closing.addCommand(toCommand(verb, environment, finish));
  program.addCommand(closing);
  const database = toCommand(migrations.show, environment, finish).helpGroup(others);
  for (const verb of migrations.verbs) database.addCommand(toCommand(verb, environment, finish));
  program.addCommand(database);
  const edge = new Command(gateway.name)
    .summary(gateway.summary)
    .description(gateway.summary)
    .addHelpText(
      'after',
      '\nExamples:\n  $ veza gateway status\n  $ veza gateway upgrade -e production\n  $ veza gateway renew\n',
    )
    .helpGroup(others);
  for (const verb of gateway.verbs) edge.addCommand(toCommand(verb, environment, finish));
  program.addCommand(edge);
  program.addCommand(
    toCommand(
      completion(() => program),
      environment,
      finish,
    ).helpGroup(others),
  );
  program.addHelpCommand(
    new Command('help').argument('[command]').description('show help of a command').helpGroup(others),
  );
  for (const command of allCommands(program)) {
    command
      .helpOption('-h, --help', 'show help')
      .exitOverride()
      .configureOutput({
        writeOut: (text) => environment.terminal.control(text),
        writeErr: () => {},
        outputError: () => {},
      })
      .configureHelp({
        showGlobalOptions: command !== program,
        // That a command has options need not be said of nearly all of them.
        subcommandTerm: (child) => [child.name(), ...child.registeredArguments.map(argumentText)].join(' '),
      });
  }
  return program;
}

function allCommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

function argumentText(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}
