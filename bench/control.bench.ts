import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ControlFigures } from './control/run.ts';
import type { BenchContext, Figure } from './harness/bench.ts';

export const name = 'control';
export const description =
  'The control plane with 10, 100 and 1,000 services of 10 instances, 100 canaries at once, on drivers that answer at once';

const SIZES = [10, 100, 1_000] as const;
const RUN = fileURLToPath(new URL('control/run.ts', import.meta.url));

/** Figures for each size, and how they grow from 100 to 1,000 services (the smaller size is the peer). */
export async function run(context: BenchContext): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  const bySize = new Map<number, ControlFigures>();
  for (const services of SIZES) {
    context.progress(`${services} services …`);
    const { stdout } = await promisify(execFile)(process.execPath, [RUN, String(services)], {
      signal: context.signal,
      maxBuffer: 1e7,
    });
    const measured = JSON.parse(stdout) as ControlFigures;
    bySize.set(services, measured);
    const at = `${services} services`;
    figures.push(
      { name: `${at}: time per step, p50`, value: measured.stepP50Ms, unit: 'ms' },
      { name: `${at}: time per step, p99`, value: measured.stepP99Ms, unit: 'ms', goal: { atMost: 50 } },
      { name: `${at}: memory`, value: measured.memoryMiB, unit: 'MiB', goal: { atMost: 300 } },
      { name: `${at}: idle CPU`, value: measured.idleCpuPercent, unit: '%', goal: { atMost: 1 } },
      { name: `${at}: journal per deployment`, value: measured.journalBytesPerDeployment, unit: 'bytes' },
      { name: `${at}: recovery after a crash`, value: measured.recoveryMs, unit: 'ms' },
    );
  }
  const [hundred, thousand] = [bySize.get(100), bySize.get(1_000)];
  if (hundred !== undefined && thousand !== undefined) {
    figures.push({
      name: 'recovery, 1,000 services against 100 (linear is 10)',
      value: thousand.recoveryMs,
      unit: 'ms',
      peer: { name: '100 services', value: hundred.recoveryMs },
    });
  }
  return figures;
}
