// Runs one benchmark: node bench/harness/main.ts NAME [--quick]
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { asBench } from './bench.ts';
import { commitOf, thisMachine } from './circumstances.ts';
import { resultOf } from './result.ts';
import { tableOf } from './table.ts';

const folder = join(import.meta.dirname, '..');
const results = join(folder, 'results');
const [name, ...options] = process.argv.slice(2);
const quick = options.includes('--quick');
if (name === undefined) {
  console.error('usage: node bench/harness/main.ts NAME [--quick], for bench/NAME.bench.ts');
  process.exit(2);
}

function keep(file: string, text: string): void {
  if (quick) return;
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, file), text);
}

const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort(new Error('interrupted')));
process.once('SIGTERM', () => interrupted.abort(new Error('interrupted')));

try {
  const file = join(folder, `${name}.bench.ts`);
  const bench = asBench(await import(file), file);
  const machine = thisMachine();
  const date = new Date().toISOString();
  const begun = performance.now();
  const figures = await bench.run({
    signal: interrupted.signal,
    progress: (line) => console.error(`  ${line}`),
    quick,
    keep,
  });
  const durationSeconds = Math.round(performance.now() - begun) / 1000;
  const result = resultOf(bench, figures, { machine, commit: commitOf(folder), date, durationSeconds });

  keep(`${name}.json`, `${JSON.stringify(result, null, 2)}\n`);
  console.log(tableOf(result));
} catch (error) {
  console.error(`bench ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 1;
}
