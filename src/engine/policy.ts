import type { Ledger } from '../core/rollout/ledger.ts';
import type { DeploymentKind } from '../core/rollout/plan.ts';
import type { Release } from '../core/release/release.ts';
import { isCommitted } from '../core/rollout/state.ts';
import type { Environment } from '../core/spec/platform.ts';
import { PolicyRefusedError } from '../errors.ts';

/** The immutable rules that a release must pass before anything of it is started. */
export interface Policy {
  /** @throws PolicyRefusedError naming the rule and what to do */
  check(environment: Environment, release: Release, kind: DeploymentKind): void;
}

/**
 * Rule 7 of the guide, invariant 6: the same artifact digest has succeeded in the required environment. A rollback goes to
 * a release that has been live here, which has passed already.
 */
export function createPolicy(ledger: Ledger, artifactOf: (release: string) => string | null): Policy {
  const succeededIn = (environment: string, artifact: string): boolean => {
    for (const state of ledger.deployments()) {
      if (state.plan.environment !== environment || !isCommitted(state)) continue;
      if (state.plan.legs.some((leg) => artifactOf(leg.candidate.release) === artifact)) return true;
    }
    return false;
  };
  return {
    check(environment, release, kind) {
      const { gates, name } = environment;
      if (release.dirty && !gates.allowDirty) {
        throw new PolicyRefusedError(
          `${release.id} was built from changes that are not committed, and ${name} takes committed source only`,
          'Commit, `veza build`, and deploy that release.',
        );
      }
      if (gates.requires === null || kind === 'rollback' || succeededIn(gates.requires, release.artifact)) return;
      throw new PolicyRefusedError(
        `${release.id} of ${release.service} has not succeeded in ${gates.requires}, which ${name} requires`,
        `Deploy it there first: \`veza deploy ${release.service} --environment ${gates.requires} --release ${release.id}\`.`,
      );
    },
  };
}
