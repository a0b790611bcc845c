import { parseArgs } from 'node:util';
import { fuzzGateway } from './fuzz.ts';

// node test/hostile/fuzz-gateway.ts --inputs 1000000 --seed 1 [--json]

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
let next = 0;
const report = await fuzzGateway({
  inputs: Number(values.inputs),
  seed: Number(values.seed),
  progress(inputs, resident) {
    if (inputs < next || values.json) return;
    next += 50_000;
    process.stderr.write(`${inputs} inputs, gateway ${(resident / 2 ** 20).toFixed(0)} MB\n`);
  },
});
if (values.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
else {
  const { inputs, connections, passed, refusals, stricter, failures, complaints, seconds } = report;
  const mb = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MB`;
  const by = Object.entries(refusals).map(([status, count]) => `${status}: ${count}`);
  process.stdout.write(
    `${inputs} inputs over ${connections} connections in ${seconds.toFixed(0)} s: ${passed} requests passed on, each as sent\n` +
      `refused connections by status: ${by.join(', ')}; of these ${stricter} that the strict reader would have taken\n` +
      `memory of the gateway: resident ${mb(report.residentAtTenth)} after a tenth, ${mb(report.residentAtEnd)} at the end; in use after a collection ${mb(report.liveAtTenth)}, ${mb(report.liveAtEnd)}\n` +
      `failures: ${failures.length}, complaints of the gateway: ${complaints.length}\n`,
  );
  for (const one of failures.slice(0, 10))
    process.stdout.write(`\nconnection ${one.connection}: ${one.what}\n  ${one.sent}\n`);
  for (const one of complaints.slice(0, 5)) process.stdout.write(`\ngateway: ${one}\n`);
}
process.exitCode = report.failures.length + report.complaints.length === 0 ? 0 : 1;
