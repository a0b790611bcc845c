/** Two-sided 95 % of the normal distribution. */
const Z = 1.959964;

/** Wilson score interval of a share, 95 % (Wilson 1927, JASA 22(158), 209-212), from 0 to 1. */
export function interval95(count: number, all: number): readonly [low: number, high: number] {
  if (all === 0) return [0, 1];
  const share = count / all;
  const z2 = (Z * Z) / all;
  const spread = Z * Math.sqrt((share * (1 - share)) / all + z2 / (4 * all));
  return [Math.max(0, (share + z2 / 2 - spread) / (1 + z2)), Math.min(1, (share + z2 / 2 + spread) / (1 + z2))];
}

/**
 * The value that the share `q` of all is not above. Who has none (null) has waited for longer than anybody who has, so the quantile is
 * null when it falls among them.
 */
export function quantileOf(values: readonly (number | null)[], q: number): number | null {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  return known[Math.max(0, Math.ceil(q * values.length) - 1)] ?? null;
}

export const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
