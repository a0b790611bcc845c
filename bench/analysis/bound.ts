/** Rates that stay as they are. */
export interface Rates {
  /** Requests a second, both arms together. */
  readonly rate: number;
  /** Share of them that the candidate gets. */
  readonly weight: number;
  /** Share of the candidate's and of stable's requests that fail. */
  readonly p: number;
  readonly stable: number;
}

export interface Bound {
  /** Of an error that is the candidate's: what it really is, and the most that the null hypothesis allows. */
  readonly theta: number;
  readonly allowed: number;
  /** Errors of both arms a second. */
  readonly errorsPerSecond: number;
  /** Nats that one error tells, on average. */
  readonly perError: number;
  /** Seconds, on average at least, until evidence of 1/alpha. */
  readonly seconds: number;
  /** Requests of the candidate in that time. */
  readonly requests: number;
}

/**
 * The least time in which a test can find a candidate that is worse, on average.
 *
 * When errors are Poisson in both arms, n errors of both together say how many errors there are, and which arm each is of is a coin:
 * the candidate's with theta = w p / (w p + (1 - w) pb), and under "p <= r0 pb" with at most theta0 = w r0 / (w r0 + 1 - w). Of all
 * rates of stable that the null hypothesis allows, the one that gives as many errors is closest to the truth, so that the
 * information of a second is (errors a second) * KL(theta || theta0), KL(a || b) = a ln(a/b) + (1-a) ln((1-a)/(1-b)). An e-process
 * multiplies by e^KL an error at most, on average of logarithms, and a test with false alarms at most alpha that always ends has
 * E[T] >= ln(1/alpha) / (information a second): Wald 1945, Ann. Math. Statist. 16, 117-186, and for tests of power one Robbins &
 * Siegmund 1974, Ann. Statist. 2, 415-436. Requests that do not fail tell a little too where p is large; that is left out.
 *
 * @param alpha probability of a false alarm, at most
 * @param ratio r0: so many times stable's rate is not worse
 */
export function boundOf({ rate, weight, p, stable }: Rates, alpha: number, ratio: number): Bound {
  const theta = (weight * p) / (weight * p + (1 - weight) * stable);
  const allowed = (weight * ratio) / (weight * ratio + 1 - weight);
  const perError = theta * Math.log(theta / allowed) + (1 - theta) * Math.log((1 - theta) / (1 - allowed));
  const errorsPerSecond = rate * (weight * p + (1 - weight) * stable);
  const seconds = Math.log(1 / alpha) / (errorsPerSecond * perError);
  return { theta, allowed, errorsPerSecond, perError, seconds, requests: seconds * rate * weight };
}
