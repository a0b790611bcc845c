import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Counts } from './report.ts';

const run = promisify(execFile);
const main = join(import.meta.dirname, 'main.ts');

/** The simulator as a process of its own: what the engine throws where nobody catches ends up with it, not with the tests. */
async function simulate(...args: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [main, ...args], { maxBuffer: 64 * 1024 ** 2 }).catch(
    (error: { readonly stdout?: string; readonly stderr?: string }) => {
      throw new Error(`${args.join(' ')}\n${error.stdout ?? ''}\n${error.stderr ?? ''}`);
    },
  );
  return stdout;
}

interface Summary {
  readonly seeds: number;
  readonly counts: Counts;
  readonly broken: readonly unknown[];
}

describe('the engine in a simulated world', () => {
  it('given 300 seeds of crashes, lost answers and jumping clocks, no invariant breaks', async () => {
    const { seeds, counts, broken } = JSON.parse(await simulate('--seeds', '300', '--json')) as Summary;
    expect(broken).toEqual([]);
    expect(seeds).toBe(300);
    // A world in which nothing goes wrong would prove nothing.
    for (const trouble of ['crashes', 'powerCuts', 'overlaps', 'fenced', 'outages', 'clockJumps', 'deaths'] as const)
      expect(counts[trouble], trouble).toBeGreaterThan(10);
    expect(counts.copies).toBeGreaterThan(10_000);
    for (const end of ['succeeded', 'reverted', 'refused'] as const) expect(counts[end], end).toBeGreaterThan(50);
  }, 120_000);

  it('a seed replays exactly, and its trace can be read', async () => {
    const [first, second] = await Promise.all([simulate('--seed', '7', '--trace'), simulate('--seed', '7', '--trace')]);
    expect(second).toBe(first);
    expect(first).toMatch(/plane 1 +ready, epoch 1/);
    expect(first).toMatch(/plane 1 +journal \d+ dep_1 admitted/);
    expect(first).toMatch(/front +\S+ 1\.\d+: /);
  });

  it('tracing changes nothing', async () => {
    const traced = JSON.parse(
      (await simulate('--seed', '8', '--trace', '--json')).trim().split('\n').at(-1) ?? '',
    ) as unknown;
    expect(traced).toEqual(JSON.parse(await simulate('--seed', '8', '--json')));
  });
});
