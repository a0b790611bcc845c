/** From so many events on, the normal approximation (with correction for continuity) is within a thousandth of the sum. */
const NORMAL_FROM = 400;

/** P(X >= least) for a Poisson variable. @param mean events, at least 0 */
export function atLeast(least: number, mean: number): number {
  if (least <= 0) return 1;
  if (mean <= 0) return 0;
  if (mean >= NORMAL_FROM) return normalTail((least - 0.5 - mean) / Math.sqrt(mean));
  return Math.max(0, 1 - cumulative(Math.ceil(least) - 1, mean));
}

/** P(X <= most) for a Poisson variable. */
export const atMost = (most: number, mean: number): number =>
  most < 0 ? 0 : Math.max(0, 1 - atLeast(Math.floor(most) + 1, mean));

/** The smallest k with P(X <= k) >= share. @param share between 0 and 1 */
export function poissonQuantile(share: number, mean: number): number {
  if (mean <= 0) return 0;
  if (mean >= NORMAL_FROM) return Math.max(0, Math.round(mean + normalQuantile(share) * Math.sqrt(mean)));
  let term = Math.exp(-mean);
  let sum = term;
  let k = 0;
  while (sum < share && k < 10 * NORMAL_FROM) {
    k += 1;
    term *= mean / k;
    sum += term;
  }
  return k;
}

function cumulative(most: number, mean: number): number {
  let term = Math.exp(-mean);
  let sum = term;
  for (let k = 1; k <= most && sum < 1; k += 1) {
    term *= mean / k;
    sum += term;
  }
  return Math.min(1, sum);
}

/** P(Z >= z) of the standard normal distribution; error below 1.2e-7 (Press et al., Numerical Recipes, 6.2, `erfcc`). */
export function normalTail(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + x / 2);
  const series = [
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
  ].reduce((sum, coefficient) => sum * t + coefficient, 0);
  const complement = t * Math.exp(-x * x - 1.26551223 + t * series);
  return z >= 0 ? complement / 2 : 1 - complement / 2;
}

/** By bisection: it is asked for a handful of shares only. */
function normalQuantile(share: number): number {
  let [low, high] = [-9, 9];
  for (let round = 0; round < 50; round += 1) {
    const middle = (low + high) / 2;
    if (1 - normalTail(middle) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
