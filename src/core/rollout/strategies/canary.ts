import { baked, type Shaping } from './shape.ts';

const WEIGHTS = [5, 25, 50] as const;
const HOLD_MS = 60_000;
const HOLDBACK = 5;

/** Rising weights, compared with stable all the while; some traffic stays on stable through the watch window. */
export const canary: Shaping = (declared) =>
  declared.kind === 'canary'
    ? { mirror: declared.mirror ?? null, steps: baked(declared.steps, declared), holdback: declared.holdback }
    : {
        mirror: null,
        steps: baked(
          WEIGHTS.map((weight) => ({ weight, holdMs: HOLD_MS })),
          declared,
        ),
        holdback: HOLDBACK,
      };
