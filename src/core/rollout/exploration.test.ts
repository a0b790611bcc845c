import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { mutant } from '../../../bench/explore-mutants.ts';
import { nextTimer, step } from './step.ts';
import { explore } from './testing/explore.ts';
import { hunt } from './testing/hunt.ts';
import { MUTATIONS } from './testing/mutations.ts';
import { disturbed, SINGLE, TRAINS } from './testing/scenarios.ts';

const rollout = { step, nextTimer };

describe('every state that a deployment can reach', () => {
  // Two disturbances anywhere in a single deployment, one in a train; `make bench-explore` goes further.
  const sizes = [
    ...SINGLE.map((scenario) => ({ ...scenario, any: 2 })),
    ...TRAINS.map((scenario) => ({ ...scenario, any: 1 })),
  ];
  for (const { name, plan, any } of sizes) {
    it(`${name}, ${any} disturbed: every invariant holds, and each state comes to an end`, { timeout: 120_000 }, () => {
      const { violation, ...seen } = explore({ rollout, plan, budget: disturbed(any) });
      if (violation !== null) throw new Error(`${violation.text}\n${violation.trace.join('\n')}`);
      console.log(`${name}: ${seen.states} states, ${seen.transitions} transitions, depth ${seen.depth}`);
      expect(seen.complete).toBe(true);
      expect(Object.keys(seen.phases).length).toBeGreaterThan(plan.approval ? 8 : 12);
    });
  }
});

describe('a fault that is put into the rollout on purpose', () => {
  const folder = mkdtempSync(join(tmpdir(), 'veza-mutants-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  for (const [index, mutation] of MUTATIONS.entries()) {
    it(`is found: ${mutation.name}`, { timeout: 120_000 }, async () => {
      const found = hunt(await mutant(mutation, join(folder, String(index))));
      expect(found).not.toBeNull();
    });
  }

  it('none is found where there is none, within the same bounds', () => {
    expect(hunt(rollout, SINGLE.slice(0, 2), 1)).toBeNull();
  });
});
