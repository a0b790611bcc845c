import { declaredSteps, type Shaping } from './shape.ts';

const HOLD_MS = 30_000;

/** Batches of instances; the weight is what has been replaced, both releases in one pool. */
export const rolling: Shaping = (declared, instances) =>
  declared.kind === 'rolling'
    ? { steps: declaredSteps(declared), holdback: 0 }
    : {
        steps: Array.from({ length: instances }, (_, index) => ({
          weight: Math.floor((100 * (index + 1)) / instances),
          holdMs: HOLD_MS,
        })),
        holdback: 0,
      };
