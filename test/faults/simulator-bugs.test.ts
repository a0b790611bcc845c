import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { PLANTED_BUGS, type PlantedBug } from './planted/bugs.ts';
import { plant } from './planted/plant.ts';

const run = promisify(execFile);
const SEEDS = 1_000;
const rows: string[] = [];

interface Found {
  readonly seed: number;
  readonly invariant: string;
  readonly detail: string;
  readonly events: number;
}

/** A simulator with a bug in it exits with 1 when it has found it. */
async function simulate(folder: string, ...args: readonly string[]): Promise<string> {
  const main = join(folder, 'src', 'sim', 'main.ts');
  const options = { maxBuffer: 256 * 1024 ** 2 };
  return run(process.execPath, [main, ...args], options).then(
    ({ stdout }) => stdout,
    (error: { readonly stdout?: string; readonly stderr?: string; readonly code?: number }) => {
      if (error.code === 1 && error.stdout !== undefined && error.stdout !== '') return error.stdout;
      throw new Error(`the simulator itself fails: ${error.stderr ?? ''}`);
    },
  );
}

async function hunt(bug: PlantedBug): Promise<{ readonly found: readonly Found[]; readonly trace: readonly string[] }> {
  const folder = plant(bug);
  try {
    const summary = await simulate(folder, '--seeds', String(SEEDS), '--keep-going', '--json');
    const { broken } = JSON.parse(summary) as { readonly broken: readonly Found[] };
    const shortest = broken.toSorted((a, b) => a.events - b.events)[0];
    const trace = shortest === undefined ? '' : await simulate(folder, '--seed', String(shortest.seed), '--trace');
    return { found: broken, trace: trace.split('\n') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('a fault put in on purpose is found', () => {
  afterAll(() => console.log(['', `of the first ${SEEDS} seeds:`, ...rows].join('\n')));

  test.each(PLANTED_BUGS)('$name: $story', async (bug) => {
    const { found, trace } = await hunt(bug);
    expect(found.length, `no seed of the first ${SEEDS} finds ${bug.name}`).toBeGreaterThan(0);
    const end = trace.findIndex((line) => line.includes(' BROKEN '));
    expect(end).toBeGreaterThan(0);
    const seeds = found.map(({ seed }) => seed);
    const listed = seeds.slice(0, 12).join(' ') + (seeds.length > 12 ? ' …' : '');
    rows.push(`${bug.name}: ${found.length} seeds (${listed}), shortest trace ${end + 1} lines`);
    rows.push(`    ${trace[end]?.trim() ?? ''}`);
  });
});
