import { explore } from './explore.ts';
import type { Rollout } from './play.ts';
import { disturbed, SINGLE, TRAINS, type Scenario } from './scenarios.ts';

/** Where the exploration has found a fault. */
export interface Found {
  readonly scenario: string;
  readonly disturbances: number;
  /** States seen in that scenario until then. */
  readonly states: number;
  /** Events of the shortest way there. */
  readonly events: number;
  readonly text: string;
}

const MOST_STATES = 150_000;
const MOST_DISTURBANCES = 2;

/** Explores small worlds before large ones until an invariant breaks; null when none does. */
export function hunt(
  rollout: Rollout,
  scenarios: readonly Scenario[] = [...SINGLE, ...TRAINS],
  mostDisturbances = MOST_DISTURBANCES,
): Found | null {
  for (let any = 0; any <= mostDisturbances; any += 1) {
    for (const { name, plan } of scenarios) {
      const { states, violation } = explore({ rollout, plan, budget: disturbed(any), maxStates: MOST_STATES });
      if (violation !== null)
        return { scenario: name, disturbances: any, states, events: violation.trace.length, text: violation.text };
    }
  }
  return null;
}
