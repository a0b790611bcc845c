/** How a host stands, as far as one slot goes. */
export interface HostShare {
  readonly name: string;
  /** It does not answer: nothing can be started or stopped there. */
  readonly away: boolean;
  /** Instances that it was last told to run. */
  readonly has: number;
  /** All of those are ready. */
  readonly settled: boolean;
}

/**
 * How many instances each host that answers shall run, so that together they are `total`. As little as can be is moved: nothing
 * while the sum is right; what is missing goes to those with the fewest; what is too much, as when a host has come back, is taken
 * from those with the most, once all are ready and none is needed in between.
 *
 * @param hosts in the order of the declaration, which breaks ties
 */
export function placeInstances(total: number, hosts: readonly HostShare[]): ReadonlyMap<string, number> {
  const living = hosts.filter(({ away }) => !away);
  const shares = new Map(living.map(({ name, has }) => [name, has]));
  let sum = living.reduce((all, { has }) => all + has, 0);
  if (living.length === 0) return shares;
  while (sum < total) {
    const fewest = pick(shares, (one, other) => one < other);
    shares.set(fewest, (shares.get(fewest) ?? 0) + 1);
    sum += 1;
  }
  if (sum > total && !living.every(({ settled }) => settled)) return shares;
  while (sum > total) {
    const most = pick(shares, (one, other) => one >= other);
    shares.set(most, (shares.get(most) ?? 0) - 1);
    sum -= 1;
  }
  return shares;
}

/** @param better whether the second one is to be left for the first */
function pick(shares: ReadonlyMap<string, number>, better: (one: number, other: number) => boolean): string {
  return [...shares].reduce((best, one) => (better(one[1], best[1]) ? one : best))[0];
}

/** Hosts in the order in which they get something new: so many at a time. */
export const inWaves = <Host>(hosts: readonly Host[], atATime: number): readonly (readonly Host[])[] =>
  Array.from({ length: Math.ceil(hosts.length / atATime) }, (_, wave) =>
    hosts.slice(wave * atATime, (wave + 1) * atATime),
  );
