import { ExitStatus } from '../errors.ts';
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
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    if (interrupt.aborted) return ExitStatus.interrupted;
    // What follows `--` belongs to the program that is run.
    const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
    return reportError(error, terminal, { json: own.includes('--json'), debug: (env.VEZA_DEBUG ?? '') !== '' });
  }
}
