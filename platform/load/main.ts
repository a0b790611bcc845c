import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { startLoad } from './load.ts';
import { LoadOptionsError, type LoadOptions } from './options.ts';
import { formatReport, isClean } from './report.ts';

const usage = `People who use the platform, and check every answer they get.

  --target URL        address of this machine, like http://127.0.0.1:8080 (required)
  --host NAME         Host header
  --rate N            things that people do per second, on average (50)
  --duration 60s      at most 2h; without it until SIGTERM or SIGINT
  --people N          signed in from the start (24)
  --rooms N           chat rooms (2), each with
  --members N         members (4), who say
  --messages N        messages per second together (8)
  --seeded demo:1     what platform/seed has put there, by size and seed
  --seed N            of arrivals and of what people do (1)
  --timeout 10s       without a whole answer by then a request is lost
  --slow 1s           above this an answer is slow
  --json [FILE]       the report as JSON, on standard output or into FILE
  --snapshots         one JSON line a second on standard output, the report as the last one

Exit status: 0 nothing lost, wrong, missing or logged out; 1 something was; 2 wrong usage.
`;

const numbers = {
  rate: 'rate',
  people: 'people',
  rooms: 'rooms',
  members: 'members',
  messages: 'messagesPerSecond',
  seed: 'seed',
} as const;
const texts = { host: 'host', duration: 'duration', seeded: 'seeded', timeout: 'timeout', slow: 'slow' } as const;

/** Runs the user model as a program: `node platform/load/main.ts --target http://127.0.0.1:8080 --rate 50 --duration 60s`. */
async function main(args: readonly string[]): Promise<number> {
  // `--json` alone is the report on standard output.
  const plain = args.map((arg, index) =>
    arg === '--json' && (args[index + 1] ?? '--').startsWith('--') ? '--json=-' : arg,
  );
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: plain,
    options: {
      target: text,
      host: text,
      rate: text,
      duration: text,
      people: text,
      rooms: text,
      members: text,
      messages: text,
      seeded: text,
      seed: text,
      timeout: text,
      slow: text,
      json: text,
      snapshots: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (values.target === undefined)
    throw new LoadOptionsError('--target is missing: give one like http://127.0.0.1:8080.');
  const given: Record<string, string | number> = { target: values.target };
  for (const [name, option] of Object.entries(numbers) as [keyof typeof numbers, string][]) {
    const value = values[name];
    if (value !== undefined) given[option] = Number(value);
  }
  for (const [name, option] of Object.entries(texts) as [keyof typeof texts, string][]) {
    const value = values[name];
    if (value !== undefined) given[option] = value;
  }
  const run = startLoad(given as unknown as LoadOptions);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void run.stop());
  const printing = values.snapshots
    ? setInterval(() => process.stdout.write(`${JSON.stringify(run.snapshot())}\n`), 1_000)
    : undefined;
  const report = await run.finished.finally(() => clearInterval(printing));
  const json = JSON.stringify(report, null, 2);
  if (values.json !== undefined && values.json !== '-') await writeFile(values.json, `${json}\n`);
  if (values.snapshots) process.stdout.write(`${JSON.stringify(report)}\n`);
  else process.stdout.write(values.json === '-' ? `${json}\n` : `${formatReport(report)}\n`);
  return isClean(report) ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\nSee --help.\n`);
  process.exitCode = 2;
}
