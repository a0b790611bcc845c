import { CommanderError, type Command } from 'commander';
import { ExitStatus, UsageError } from '../errors.ts';
import { buildProgram } from './program.ts';
import { reportError } from './report-error.ts';
import type { CliEnvironment } from './verb.ts';

/** Runs one command line to its end and returns the exit status; what goes wrong is said on the terminal. */
export async function runCli(args: readonly string[], environment: CliEnvironment): Promise<number> {
  const { terminal, interrupt, env } = environment;
  let status: number = ExitStatus.ok;
  const program = buildProgram(environment, (result) => {
    status = result;
  });
  try {
    if (args.length === 0) {
      program.outputHelp();
      return ExitStatus.usage;
    }
    await program.parseAsync(helpOfNothing(program, args) ? args.slice(1) : args, { from: 'user' });
    return status;
  } catch (error) {
    if (interrupt.aborted) return ExitStatus.interrupted;
    // What follows `--` belongs to the program that is run.
    const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
    return reportError(forgottenCommand(program, args, error), terminal, {
      json: own.includes('--json'),
      debug: (env.VEZA_DEBUG ?? '') !== '',
    });
  }
}

/** `veza help depoly` is a mistake in `depoly`, which commander takes for a wish for help of everything. */
function helpOfNothing(program: Command, [first, second]: readonly string[]): boolean {
  if (first !== 'help' || second === undefined || second.startsWith('-')) return false;
  return !program.commands.some((command) => command.name() === second);
}

/** A group of commands was named (`veza secrets`), and none of them. */
function forgottenCommand(program: Command, [first]: readonly string[], error: unknown): unknown {
  const group = program.commands.find((command) => command.name() === first);
  if (group === undefined || group.commands.length === 0) return error;
  if (!(error instanceof CommanderError) || error.code !== 'commander.help') return error;
  const names = group.commands.map((command) => `\`veza ${group.name()} ${command.name()}\``);
  return new UsageError(
    `Which command of \`veza ${group.name()}\`?`,
    `${names.join(' or ')}; \`veza ${group.name()} --help\` says more.`,
  );
}
