/**
 * What a file `bench/NAME.bench.ts` exports: `name`, `description` and `run`. `make bench-NAME` runs it, prints its figures
 * as a table and writes them to `bench/results/NAME.json`.
 */
export interface Bench {
  /** The NAME of `bench/NAME.bench.ts`. */
  readonly name: string;
  /** What is measured and against what, in one sentence. */
  readonly description: string;
  /** Measures. Stops early, by rejecting, when the signal aborts. */
  run(context: BenchContext): Promise<readonly Figure[]>;
}

export interface BenchContext {
  readonly signal: AbortSignal;
  /** Says what is being done now, to whoever waits for it. */
  readonly progress: (line: string) => void;
  /** A short run was asked for, to see that it works: nothing of it is kept. */
  readonly quick: boolean;
  /** Keeps a file beside the results: raw figures, a page for people. */
  readonly keep: (file: string, text: string) => void;
}

/** One measured number. */
export interface Figure {
  /** What it is, with its circumstances: `time per step, p99, 1,000 services`. */
  readonly name: string;
  readonly value: number;
  /** `ms`, `MB`, `requests/s`, `%` … */
  readonly unit: string;
  readonly goal?: Goal;
  /** The same thing measured on something else in the same run: the ratio travels between machines, the number does not. */
  readonly peer?: Peer;
}

export type Goal = { readonly atMost: number } | { readonly atLeast: number };

export interface Peer {
  /** Name and version. */
  readonly name: string;
  readonly value: number;
}

/** @throws TypeError naming the file and what it lacks */
export function asBench(module: unknown, file: string): Bench {
  const { name, description, run } = module as Partial<Bench>;
  if (typeof name !== 'string') throw new TypeError(`${file} exports no name`);
  if (typeof description !== 'string') throw new TypeError(`${file} exports no description`);
  if (typeof run !== 'function') throw new TypeError(`${file} exports no run function`);
  if (!file.endsWith(`${name}.bench.ts`)) throw new TypeError(`${file} exports the name ${name}: make them the same`);
  return { name, description, run };
}
