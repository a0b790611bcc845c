import { createApiService } from '../api/service.ts';
import { runService } from '../kit/service.ts';
import type { ErasureState, ErasureStep } from './erasure.ts';

/** For a test: api as a process that kills itself at one point of an erasure, `before:chat:running` for one. */
const at = process.env['VEZA_TEST_KILL_AT'];

function killAt(place: string): (step: ErasureStep, state: ErasureState) => void {
  return (step, state) => {
    if (`${place}:${step}:${state}` === at) process.kill(process.pid, 'SIGKILL');
  };
}

await runService(
  createApiService({
    everyMs: 50,
    times: { leaseMs: 500, settleMs: 0, retryMs: 50 },
    hooks: { before: killAt('before'), after: killAt('after'), noted: killAt('noted') },
  }),
);
