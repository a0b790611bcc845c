import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const main = join(import.meta.dirname, '..', '..', 'src', 'sim', 'main.ts');
const SEEDS = 10_000;

test(`given ${SEEDS} seeds of everything that can go wrong, the engine breaks no invariant`, async () => {
  // The first seeds are part of `make test`; these are others.
  const args = [main, '--seeds', String(SEEDS), '--from', '1001'];
  const simulator = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [simulator.stdout, simulator.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      console.log(text.trimEnd());
    });
  }
  const [status] = (await once(simulator, 'close')) as [number | null];
  expect(said).toContain(`${SEEDS} seeds in`);
  expect(said).toContain('\n0 broken invariants');
  expect(status).toBe(0);
});
