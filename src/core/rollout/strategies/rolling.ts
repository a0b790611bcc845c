import { baked, type Shaping } from './shape.ts';

const HOLD_MS = 30_000;

/** Batches of instances; the weight is what has been replaced, both releases in one pool. */
export const rolling: Shaping = (declared, instances) =>
  declared.kind === 'rolling'
    ? { mirror: null, steps: baked(declared.steps, declared), holdback: 0 }
    : {
        mirror: null,
        steps: baked(
          Array.from({ length: instances }, (_, index) => ({
            weight: Math.floor((100 * (index + 1)) / instances),
            holdMs: HOLD_MS,
          })),
          declared,
        ),
        holdback: 0,
      };
