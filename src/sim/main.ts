import { parseArgs } from 'node:util';
import { runSeed } from './run-seed.ts';
import { noCounts, type Counts } from './report.ts';
import type { RunResult } from './simulation.ts';

// One seed:    node src/sim/main.ts --seed 1234 [--trace]
// Many:        node src/sim/main.ts --seeds 10000 [--from 1] [--json] [--keep-going]

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
  },
});

if (values.seed !== undefined) await one(whole('seed', values.seed));
else await many(whole('from', values.from), whole('seeds', values.seeds ?? '300'));

async function one(seed: number): Promise<void> {
  const result = await runSeed({ seed, trace: values.trace });
  if (values.trace) for (const line of result.trace) console.log(line);
  const { counts, events, simulatedMs } = result;
  if (values.json) console.log(JSON.stringify({ ...result, trace: undefined }));
  else
    console.log(`seed ${seed}: ${(simulatedMs / 1_000).toFixed(0)} s simulated, ${events} events, ${inWords(counts)}`);
  if (result.broken !== null) {
    console.log(
      `BROKEN at ${(result.broken.at / 1_000).toFixed(3)} s: ${result.broken.invariant}: ${result.broken.detail}`,
    );
    process.exitCode = 1;
  }
}

async function many(from: number, seeds: number): Promise<void> {
  const began = performance.now();
  const total = noCounts();
  const broken: { seed: number; invariant: string; detail: string; events: number }[] = [];
  let simulatedMs = 0;
  let events = 0;
  let done = 0;
  let told = began;
  for (let seed = from; seed < from + seeds; seed += 1) {
    const result: RunResult = await runSeed({ seed, trace: false });
    done += 1;
    simulatedMs += result.simulatedMs;
    events += result.events;
    for (const key of Object.keys(total) as (keyof Counts)[]) total[key] += result.counts[key];
    if (result.broken !== null) {
      const { invariant, detail } = result.broken;
      broken.push({ seed, invariant, detail, events: result.events });
      console.error(`seed ${seed} BROKEN: ${invariant}: ${detail}`);
      if (!values['keep-going'] && broken.length >= 10) break;
    }
    if (performance.now() - told > 10_000) {
      told = performance.now();
      console.error(
        `${done} of ${seeds} seeds, ${(done / ((told - began) / 1_000)).toFixed(1)} a second, ${broken.length} broken`,
      );
    }
  }
  const seconds = (performance.now() - began) / 1_000;
  if (values.json) console.log(JSON.stringify({ seeds: done, seconds, simulatedMs, events, counts: total, broken }));
  else {
    console.log(
      `${done} seeds in ${seconds.toFixed(1)} s (${(done / seconds).toFixed(1)} a second): ${(simulatedMs / 3_600_000).toFixed(1)} simulated hours, ${events} events`,
    );
    console.log(inWords(total));
    console.log(
      `${broken.length} broken invariants${broken.length === 0 ? '' : `: node src/sim/main.ts --seed ${broken[0]?.seed ?? 0} --trace`}`,
    );
  }
  if (broken.length > 0) process.exitCode = 1;
}

function inWords(counts: Counts): string {
  const { succeeded, reverted, refused } = counts;
  return [
    `${counts.deployments} deployments (${succeeded} succeeded, ${reverted} reverted, ${refused} refused)`,
    `${counts.operations} operations`,
    `${counts.crashes} crashes (${counts.powerCuts} power cuts, ${counts.overlaps} overlaps, ${counts.fenced} fenced off)`,
    `${counts.outages} outages`,
    `${counts.disturbedCalls} of ${counts.calls} calls disturbed`,
    `${counts.clockJumps} clock jumps`,
    `${counts.deaths} deaths`,
    `${counts.requests} requests (${counts.failedByRelease} failed by a release, ${counts.lostToDeaths} lost to deaths)`,
    `${counts.copies} copies`,
    `${counts.entries} journal entries`,
  ].join(', ');
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`--${name} must be a whole number, got ${text}`);
  return value;
}
