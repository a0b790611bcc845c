import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { startLoad } from './load.ts';
import { LoadOptionsError, type LoadOptions } from './options.ts';
import { formatReport, isClean } from './report.ts';

const usage = `Steady load on the demo platform, by a client that knows every answer it must get.

  --target URL        address of this machine, like http://127.0.0.1:8080 (required)
  --api-target URL    where /api is, when no router joins web and api
  --host NAME         Host header, like demo.local
  --rate N            requests per second (200)
  --duration 60s      at most 2h; without it until SIGTERM or SIGINT
  --uploads-every 2s  0s for none
  --streams N         event streams held open (4)
  --websockets N      WebSockets held open (4)
  --timeout 10s       without a whole answer by then a request is lost
  --json FILE         writes the report there
  --snapshots         one JSON line a second on standard output instead of text

Exit status: 0 nothing lost or wrong, 1 something was, 2 wrong usage.
`;

/** Runs the load client as a program: `node main.ts --target http://127.0.0.1:8080 --duration 60s`. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      target: { type: 'string' },
      'api-target': { type: 'string' },
      host: { type: 'string' },
      rate: { type: 'string' },
      duration: { type: 'string' },
      'uploads-every': { type: 'string' },
      streams: { type: 'string' },
      websockets: { type: 'string' },
      timeout: { type: 'string' },
      json: { type: 'string' },
      snapshots: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (values.target === undefined) {
    throw new LoadOptionsError('--target is missing.', 'Give one like --target http://127.0.0.1:8080.');
  }
  const options: LoadOptions = {
    target: values.target,
    ...(values['api-target'] === undefined ? {} : { apiTarget: values['api-target'] }),
    ...(values.host === undefined ? {} : { host: values.host }),
    ...(values.rate === undefined ? {} : { rate: Number(values.rate) }),
    ...(values.duration === undefined ? {} : { duration: values.duration }),
    ...(values['uploads-every'] === undefined ? {} : { uploadEveryMs: values['uploads-every'] }),
    ...(values.streams === undefined ? {} : { eventStreams: Number(values.streams) }),
    ...(values.websockets === undefined ? {} : { webSockets: Number(values.websockets) }),
    ...(values.timeout === undefined ? {} : { timeoutMs: values.timeout }),
  };
  const run = startLoad(options);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void run.stop());
  const printing = values.snapshots
    ? setInterval(() => process.stdout.write(`${JSON.stringify(run.snapshot())}\n`), 1000)
    : undefined;
  const report = await run.finished;
  clearInterval(printing);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(values.snapshots ? `${JSON.stringify(report)}\n` : `${formatReport(report)}\n`);
  return isClean(report) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof LoadOptionsError ? error.hint : 'See --help.';
  process.stderr.write(`${message}\n${hint}\n`);
  process.exitCode = 2;
}
