import { text } from 'node:stream/consumers';
import { ExitStatus } from '../errors.ts';
import { buildProgram } from './program.ts';
import { reportError } from './report-error.ts';
import { processTerminal } from './terminal.ts';

const terminal = processTerminal(process.env);
const interrupt = new AbortController();
let interrupts = 0;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interrupts += 1;
    interrupt.abort(new Error(`stopped by ${signal}`));
    // Whatever keeps it from ending after it has been asked three times.
    if (interrupts > 2) process.exit(ExitStatus.interrupted);
  });
}

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let status: number = ExitStatus.ok;
  const program = buildProgram(
    {
      terminal,
      cwd: process.cwd(),
      env: process.env,
      now: Date.now,
      interrupt: interrupt.signal,
      readInput: () => text(process.stdin),
    },
    (result) => {
      status = result;
    },
  );
  try {
    if (args.length === 0) {
      program.outputHelp();
      return ExitStatus.usage;
    }
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    if (interrupt.signal.aborted) return ExitStatus.interrupted;
    const options = args.slice(0, args.includes('--') ? args.indexOf('--') : args.length);
    return reportError(error, terminal, {
      json: options.includes('--json'),
      debug: (process.env.VEZA_DEBUG ?? '') !== '',
    });
  }
}
