/**
 * A wager against "the candidate is not worse": wealth on each alternative, and cash that is not placed yet. It grows by
 * likelihood ratios, so under that hypothesis its mean never rises, and by Ville's inequality it reaches 1/alpha with
 * probability at most alpha, however often one looks (Ville 1939; Ramdas et al. 2023, Statist. Sci. 38(4), "Game-theoretic
 * statistics"). What is placed late catches what starts late.
 */
export interface Bets {
  readonly wealth: readonly number[];
  readonly cash: number;
  /** Since the first bet, that second included; 0 before it. */
  readonly seconds: number;
}

/** Wealth stops here: evidence beyond any threshold, far from what a double cannot hold. */
export const MOST_WEALTH = 1e200;
const LARGEST_EXPONENT = Math.log(MOST_WEALTH);
/** Of the cash, in the first second. */
export const FIRST_STAKE = 0.5;

export const openBets = (alternatives: number): Bets => ({
  wealth: Array.from({ length: alternatives }, () => 0),
  cash: 1,
  seconds: 0,
});

/** Share of the first cash that is placed by a second: half of it in the first, the rest evenly until the horizon. */
export function staked(seconds: number, horizon: number): number {
  if (seconds <= 0) return 0;
  return seconds >= horizon ? 1 : FIRST_STAKE + ((1 - FIRST_STAKE) * (seconds - 1)) / (horizon - 1);
}

/**
 * One bet: places what is due by now evenly on all alternatives, then pays each by its factor.
 *
 * @param logFactors natural logarithms of the likelihood ratios of this second, one an alternative; each has mean <= 1
 * @param horizon seconds of the longest rollout
 * @param elapsed seconds since the bet before. What is due depends on the time, never on what was seen, so cash waits for nothing where
 *   there is something to compare in few seconds only
 */
export function settle(bets: Bets, logFactors: readonly number[], horizon: number, elapsed = 1): Bets {
  const seconds = bets.seconds + (bets.seconds === 0 ? 1 : elapsed);
  const cash = 1 - staked(seconds, horizon);
  const count = bets.wealth.length;
  const each = Math.max(0, bets.cash - cash) / count;
  const wealth: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const log = logFactors[index] ?? 0;
    const placed = (bets.wealth[index] ?? 0) + each;
    // In most seconds nothing fails, and nothing is won or lost.
    wealth.push(log === 0 ? placed : Math.min(Math.exp(Math.min(log, LARGEST_EXPONENT)) * placed, MOST_WEALTH));
  }
  return { wealth, cash: Math.min(cash, bets.cash), seconds };
}

/** The e-value: 1 at the start, large when the candidate is worse. */
export function evidenceOf(bets: Bets): number {
  let sum = bets.cash;
  for (const wealth of bets.wealth) sum += wealth;
  return Math.min(sum, MOST_WEALTH);
}
