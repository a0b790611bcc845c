import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { nextTimer, step } from '../src/core/rollout/step.ts';
import { exploring, type Exploration } from '../src/core/rollout/testing/explore.ts';
import { hunt } from '../src/core/rollout/testing/hunt.ts';
import { MUTATIONS } from '../src/core/rollout/testing/mutations.ts';
import { disturbed, SINGLE, TRAINS, type Scenario } from '../src/core/rollout/testing/scenarios.ts';
import type { BenchContext, Figure } from './harness/bench.ts';
import { mutant } from './explore-mutants.ts';

export const name = 'explore';
export const description = 'every state that a small deployment can reach, and the faults that this finds';

const SIZES: readonly (readonly [scenarios: readonly Scenario[], disturbances: number])[] = [
  [SINGLE, 4],
  [TRAINS, 3],
];

export async function run(context: BenchContext): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  let states = 0;
  for (const [scenarios, disturbances] of SIZES) {
    for (const scenario of scenarios) {
      const begun = performance.now();
      const seen = await exploreWhole(scenario, disturbances, context);
      const seconds = (performance.now() - begun) / 1_000;
      const where = `${scenario.name}, ${disturbances} disturbances`;
      states += seen.states;
      context.progress(
        `${where}: ${seen.states} states, ${seen.transitions} transitions, depth ${seen.depth}, ${seconds.toFixed(1)} s`,
      );
      figures.push(
        { name: `states: ${where}`, value: seen.states, unit: 'states' },
        { name: `transitions: ${where}`, value: seen.transitions, unit: 'transitions' },
        { name: `time: ${where}`, value: seconds, unit: 's' },
      );
    }
  }
  figures.push(
    { name: 'states, together', value: states, unit: 'states' },
    { name: 'broken invariants', value: 0, unit: 'invariants', goal: { atMost: 0 } },
    { name: 'peak memory', value: process.resourceUsage().maxRSS / 1_024, unit: 'MB' },
  );
  return [...figures, ...(await faults(context))];
}

/** @throws Error with the shortest trace when an invariant breaks */
async function exploreWhole({ plan }: Scenario, any: number, { signal }: BenchContext): Promise<Exploration> {
  const turns = exploring({ rollout: { step, nextTimer }, plan, budget: disturbed(any) });
  for (let turn = turns.next(); ; turn = turns.next()) {
    if (turn.done === true) {
      const { violation } = turn.value;
      if (violation !== null) throw new Error(`${violation.text}\n${violation.trace.join('\n')}`);
      return turn.value;
    }
    await setImmediate();
    signal.throwIfAborted();
  }
}

async function faults(context: BenchContext): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'veza-mutants-'));
  const figures: Figure[] = [];
  try {
    for (const [index, mutation] of MUTATIONS.entries()) {
      const found = hunt(await mutant(mutation, join(folder, String(index))));
      await setImmediate();
      context.signal.throwIfAborted();
      if (found === null) {
        context.progress(`| ${mutation.name} | NOT FOUND |`);
        continue;
      }
      const { scenario, disturbances, states, events, text } = found;
      context.progress(`| ${mutation.name} | ${scenario}, ${disturbances} | ${states} | ${events} | ${text} |`);
      figures.push({ name: `states until found: ${mutation.name}`, value: states, unit: 'states' });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const missed = MUTATIONS.length - figures.length;
  return [...figures, { name: 'faults put in and not found', value: missed, unit: 'faults', goal: { atMost: 0 } }];
}
