import type { Release } from '../../core/release/release.ts';
import type { Ledger } from '../../core/rollout/ledger.ts';
import { isCommitted } from '../../core/rollout/state.ts';
import { claimsOf } from '../../core/route-claims.ts';
import type { Environment } from '../../core/spec/platform.ts';
import { RouteTakenError } from '../../errors.ts';

/** A release that is to be deployed: what it claims of hosts and paths. */
type Wanted = Pick<Release, 'service' | 'config'>;

/** A release that is known by its id; null when it has been collected. */
export type FindRelease = (id: string) => Pick<Release, 'config'> | null;

/**
 * Makes sure that nobody else has the hosts and paths that a release would newly claim: the router can give them to one
 * service only. What the service has already is its own, so going back stays possible.
 *
 * @throws RouteTakenError naming the other service, and how it gives them up
 */
export function checkRouteIsFree(ledger: Ledger, environment: Environment, wanted: Wanted, release: FindRelease): void {
  const claims = (of: Pick<Release, 'config'> | null): readonly string[] => {
    const route = of?.config[environment.name]?.route ?? null;
    return route === null ? [] : claimsOf(route);
  };
  const { live } = ledger.record(environment.name, wanted.service);
  const own = new Set(live === null ? [] : claims(release(live.release)));
  const fresh = claims(wanted).filter((claim) => !own.has(claim));
  for (const other of carried(ledger, environment.name)) {
    if (other.service === wanted.service) continue;
    const taken = claims(release(other.release));
    const claim = fresh.find((one) => taken.includes(one));
    if (claim === undefined) continue;
    const declared = environment.services[other.service];
    const givesUp = declared !== undefined && (declared.route === null || !claimsOf(declared.route).includes(claim));
    throw new RouteTakenError({
      service: wanted.service,
      environment: environment.name,
      claim,
      owner: other.service,
      how: declared === undefined ? 'remove' : givesUp ? 'deploy' : 'declare',
    });
  }
}

/** What users of an environment get, or shall get by a deployment that is under way. */
function carried(
  ledger: Ledger,
  environment: string,
): readonly { readonly service: string; readonly release: string }[] {
  const live = [...ledger.records()].flatMap((one) =>
    one.environment === environment && one.record.live !== null
      ? [{ service: one.service, release: one.record.live.release }]
      : [],
  );
  const coming = ledger
    .active()
    .filter((state) => state.plan.environment === environment && !isCommitted(state))
    .flatMap(({ plan }) => plan.legs.map(({ service, candidate }) => ({ service, release: candidate.release })));
  return [...live, ...coming];
}
