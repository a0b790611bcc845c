import { enableCompileCache } from 'node:module';
import { text } from 'node:stream/consumers';
import { processTerminal } from './terminal.ts';

// Most of the time of a short command is reading code; the second time it is there already.
enableCompileCache();
const [{ runCli }, { ExitStatus }] = await Promise.all([import('./run-cli.ts'), import('../errors.ts')]);

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

process.exitCode = await runCli(process.argv.slice(2), {
  terminal: processTerminal(process.env),
  cwd: process.cwd(),
  env: process.env,
  now: Date.now,
  interrupt: interrupt.signal,
  readInput: () => text(process.stdin),
});
