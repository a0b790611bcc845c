import type { DeploymentPlan, GroupPlan, MirrorWindow } from './plan.ts';
import type { Shape } from './strategies/shape.ts';

export interface LegShape extends Omit<Shape, 'mirror'> {
  readonly mirror: MirrorWindow | null;
  readonly watchMs: number;
}

/**
 * Groups legs. `together`: all legs pass each phase as one, so they need one list of steps: the most cautious leg's, that
 * is the one with most steps, and the longest of the watch windows. Those that mirror do it
 * together, for the longest of their times. `in-order`: one group a leg.
 */
export function groupLegs(order: DeploymentPlan['order'], shapes: readonly LegShape[]): readonly GroupPlan[] {
  if (order === 'in-order') return shapes.map((shape, leg) => ({ legs: [leg], ...pick(shape) }));
  const cautious = shapes.reduce<LegShape | null>(
    (best, shape) => (best === null || shape.steps.length > best.steps.length ? shape : best),
    null,
  );
  if (cautious === null) return [];
  return [
    {
      legs: shapes.map((_, leg) => leg),
      mirror: longest(shapes.flatMap((shape) => shape.mirror ?? [])),
      steps: cautious.steps,
      holdback: cautious.holdback,
      watchMs: Math.max(...shapes.map((shape) => shape.watchMs)),
    },
  ];
}

const pick = ({ mirror, steps, holdback, watchMs }: LegShape) => ({
  mirror: longest(mirror === null ? [] : [mirror]),
  steps,
  holdback,
  watchMs,
});

const longest = (mirrors: readonly MirrorWindow[]): MirrorWindow | null =>
  mirrors.length === 0 ? null : { holdMs: Math.max(...mirrors.map(({ holdMs }) => holdMs)) };

/**
 * Services in dependency order: who is depended on comes first. What is not declared as a dependency keeps its order.
 *
 * @throws RangeError on a cycle; the declaration has been checked for that.
 */
export function dependencyOrder(
  services: readonly string[],
  dependenciesOf: (service: string) => readonly string[],
): readonly string[] {
  const ordered: string[] = [];
  const visiting = new Set<string>();
  const visit = (service: string): void => {
    if (ordered.includes(service)) return;
    if (visiting.has(service)) throw new RangeError(`dependency cycle through ${service}`);
    visiting.add(service);
    for (const dependency of dependenciesOf(service)) if (services.includes(dependency)) visit(dependency);
    visiting.delete(service);
    ordered.push(service);
  };
  for (const service of services) visit(service);
  return ordered;
}
