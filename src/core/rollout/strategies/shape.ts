import type { Strategy } from '../../spec/platform.ts';
import type { StepPlan } from '../plan.ts';

/** A strategy as data over the phases: which weights, and how much stays on stable until the commit. */
export interface Shape {
  readonly steps: readonly StepPlan[];
  /** Percent. */
  readonly holdback: number;
}

/** Makes a shape from what is declared; `declared` may be of another kind when a person overrides it for one deployment. */
export type Shaping = (declared: Strategy, instances: number) => Shape;

export const declaredSteps = (strategy: Strategy): readonly StepPlan[] =>
  strategy.steps.map(({ weight, holdMs }) => ({ weight, holdMs }));
