/** What counters stood at, by a key of each series. */
export type Standing = ReadonlyMap<string, number>;

/** So many series of one source are remembered. */
const MOST_SERIES = 20_000;

/** What a counter rose by. One that is lower than before has begun again at zero, and has counted what it stands at (PromQL, `increase`). */
export const riseOf = (before: number, now: number): number => (now >= before ? now - before : now);

/** What is known now: a series that is not told for a while stands where it stood, or its past would count again when it is back. */
export function remember(before: Standing, now: Standing): Standing {
  const together = new Map([...before, ...now]);
  return together.size > MOST_SERIES ? now : together;
}

export const sumOf = (standing: Standing): number => {
  let sum = 0;
  for (const value of standing.values()) sum += value;
  return sum;
};
