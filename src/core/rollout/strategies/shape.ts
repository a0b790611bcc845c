import type { Strategy } from '../../spec/platform.ts';
import type { LegMirror, MirrorWindow, StepPlan } from '../plan.ts';

/** A strategy as data over the phases: which weights, and how much stays on stable until the commit. */
export interface Shape {
  /** Before the steps; null: not at all. */
  readonly mirror: (LegMirror & MirrorWindow) | null;
  readonly steps: readonly StepPlan[];
  /** Percent. */
  readonly holdback: number;
}

/** Makes a shape from what is declared; `declared` may be of another kind when a person overrides it for one deployment. */
export type Shaping = (declared: Strategy, instances: number) => Shape;

/** Steps with the bake time of the declared analysis, which is no longer than the step. */
export const baked = (
  steps: readonly { readonly weight: number; readonly holdMs: number }[],
  { analysis }: Strategy,
): readonly StepPlan[] => {
  const bakeMs = 1_000 * (analysis?.bakeSeconds ?? 0);
  return steps.map(({ weight, holdMs }) => ({ weight, holdMs, bakeMs: Math.min(bakeMs, holdMs) }));
};
