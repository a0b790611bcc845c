import type { Bench, Figure, Goal } from './bench.ts';
import type { Commit, Machine } from './circumstances.ts';

/** What is written to `bench/results/NAME.json`. */
export interface BenchResult {
  readonly name: string;
  readonly description: string;
  readonly figures: readonly ResultFigure[];
  readonly machine: Machine;
  readonly commit: Commit | null;
  /** When the run began, ISO 8601 in UTC. */
  readonly date: string;
  readonly durationSeconds: number;
}

export interface ResultFigure extends Figure {
  /** value / peer.value; null without a peer, or when the peer's value is 0. */
  readonly ratio: number | null;
  /** Whether the goal was met; null without one. */
  readonly met: boolean | null;
}

/**
 * Puts a result together.
 *
 * @throws RangeError when there is no figure or one is not a finite number: a benchmark that measured nothing has failed
 */
export function resultOf(
  bench: Pick<Bench, 'name' | 'description'>,
  figures: readonly Figure[],
  circumstances: Pick<BenchResult, 'machine' | 'commit' | 'date' | 'durationSeconds'>,
): BenchResult {
  if (figures.length === 0) throw new RangeError(`${bench.name} returned no figures`);
  for (const { name, value, peer } of figures) {
    if (!Number.isFinite(value)) throw new RangeError(`${bench.name}: "${name}" is ${value}`);
    if (peer !== undefined && !Number.isFinite(peer.value))
      throw new RangeError(`${bench.name}: "${name}" of ${peer.name} is ${peer.value}`);
  }
  return {
    name: bench.name,
    description: bench.description,
    figures: figures.map((figure) => ({
      ...figure,
      ratio: figure.peer === undefined || figure.peer.value === 0 ? null : figure.value / figure.peer.value,
      met: figure.goal === undefined ? null : isMet(figure.value, figure.goal),
    })),
    ...circumstances,
  };
}

function isMet(value: number, goal: Goal): boolean {
  return 'atMost' in goal ? value <= goal.atMost : value >= goal.atLeast;
}
