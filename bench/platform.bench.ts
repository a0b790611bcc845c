import { join } from 'node:path';
import { z } from 'zod';
import type { BenchContext, Figure } from './harness/bench.ts';
import { OwnedProcess, runToEnd } from './machine/owned-process.ts';

export const name = 'platform';
export const description =
  'Each service of the platform on one core: restart, memory, and how long answers take when it is asked as much as it can answer';

const platform = join(import.meta.dirname, '../platform');
const line = z.union([
  z.object({ service: z.string(), startMs: z.number(), stopMs: z.number(), idleMb: z.number() }),
  z.object({
    service: z.string(),
    what: z.string(),
    perSecond: z.number(),
    p50Ms: z.number(),
    p99Ms: z.number(),
    coreShare: z.number(),
  }),
  z.object({ service: z.string(), usedMb: z.number() }),
]);

export async function run({ signal, progress, quick }: BenchContext): Promise<readonly Figure[]> {
  const services = ['identity', 'chat', 'stream', 'api', 'web'];
  progress('building the five services');
  await runToEnd({ program: process.execPath, args: ['build.mjs', ...services], cwd: platform }, signal);
  const args = ['limits/main.ts', ...(quick ? ['--quick'] : [])];
  const measuring = new OwnedProcess({ program: process.execPath, args, cwd: platform, core: 1 });
  const figures: Figure[] = [];
  const take = (text: string): void => {
    const measured = line.parse(JSON.parse(text));
    progress(text);
    figures.push(...figuresOf(measured));
  };
  try {
    let rest = '';
    measuring.child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const text of lines) take(text);
    });
    const status = await new Promise<number | null>((resolve, reject) => {
      measuring.child.once('exit', resolve);
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    if (status !== 0) throw new Error(`measuring ended with status ${status}: ${measuring.output}`);
    return figures;
  } finally {
    await measuring.stop();
  }
}

function figuresOf(measured: z.output<typeof line>): readonly Figure[] {
  const { service } = measured;
  if ('startMs' in measured) {
    return [
      { name: `${service}: start until ready, median`, value: measured.startMs, unit: 'ms', goal: { atMost: 500 } },
      { name: `${service}: SIGTERM until gone, median`, value: measured.stopMs, unit: 'ms' },
      { name: `${service}: memory before the first request`, value: measured.idleMb, unit: 'MB' },
    ];
  }
  if ('usedMb' in measured) return [{ name: `${service}: memory after its limit`, value: measured.usedMb, unit: 'MB' }];
  return [
    { name: `${service}, ${measured.what}: at its limit`, value: measured.perSecond, unit: '/s' },
    { name: `${service}, ${measured.what}: p50 there`, value: measured.p50Ms, unit: 'ms' },
    { name: `${service}, ${measured.what}: p99 there`, value: measured.p99Ms, unit: 'ms' },
    { name: `${service}, ${measured.what}: of its core`, value: measured.coreShare * 100, unit: '%' },
  ];
}
