import { evidenceOf, openBets, settle, type Bets } from '../../src/core/analysis/bets.ts';
import { eventFactors, MORE_EVENTS } from '../../src/core/analysis/event-evidence.ts';
import { settingsOf } from '../../src/core/analysis/settings.ts';
import { Random } from '../../src/sim/random.ts';
import { boundOf, type Rates } from './bound.ts';
import type { Cell } from './cells.ts';
import { Rollout } from './traffic.ts';

/**
 * What the judge has that a test would not need that knew everything. Each entry has what the ones before it have, and one thing
 * more; the last is the judge without the dispersion and without its hard limits.
 */
export const STEPS = [
  'knows the rate, error by error',
  'second by second',
  'mixture over seven ratios',
  'half of the stake kept for later',
  'errors are half of the evidence',
  'three errors at least',
] as const;

/** Seconds until each test of `STEPS` has decided; null: not until the end. */
export type Ablated = readonly (number | null)[];

/** The same requests for every test. Past and present have nothing to do with one another here: no history is drawn. */
export function ablate(cell: Cell, rates: Rates, seed: string): Ablated {
  const random = new Random(seed);
  const { alpha, delta, minErrors, horizonSeconds } = settingsOf(cell.word);
  const threshold = Math.log(1 / alpha);
  const limit = { ratio: 1 + delta, allowance: 0 };
  const bound = boundOf(rates, alpha, limit.ratio);
  const found: (number | null)[] = [errorByError(bound, threshold, cell.seconds, random.fork('errors'))];
  const knows = [rates.p / (limit.ratio * rates.stable)];
  const rollout = new Rollout(cell, random);
  let known = 0;
  const sums = MORE_EVENTS.map(() => 0);
  let bets: Bets = openBets(MORE_EVENTS.length);
  let errors = 0;
  const decide = (step: number, at: number, is: boolean): void => {
    if (is) found[step] ??= at + 1;
  };
  for (let step = 1; step < STEPS.length; step += 1) found[step] = null;
  for (let at = 0; at < cell.seconds && found.includes(null); at += 1) {
    const { candidate, stable } = rollout.second(at).arms;
    if (candidate.requests === 0 || stable.requests === 0) continue;
    const counts = {
      candidateTotal: candidate.requests,
      candidateEvents: candidate.serverErrors,
      stableTotal: stable.requests,
      stableEvents: stable.serverErrors,
    };
    errors += candidate.serverErrors;
    known += eventFactors(counts, limit, 1, knows)[0] ?? 0;
    decide(1, at, known >= threshold);
    const factors = eventFactors(counts, limit, 1, MORE_EVENTS);
    factors.forEach((factor, index) => (sums[index] = (sums[index] ?? 0) + factor));
    const mixed = sums.reduce((total, sum) => total + Math.exp(Math.min(sum, 400)), 0) / sums.length;
    decide(2, at, mixed >= 1 / alpha);
    bets = settle(bets, factors, horizonSeconds);
    const evidence = evidenceOf(bets);
    decide(3, at, evidence >= 1 / alpha);
    // The other half is worth 1 as long as it has seen nothing.
    decide(4, at, (evidence + 1) / 2 >= 1 / alpha);
    decide(5, at, (evidence + 1) / 2 >= 1 / alpha && errors >= minErrors);
  }
  return found;
}

/** The likelihood ratio of who knows both rates, looked at after every error; errors come after exponential times. */
function errorByError(
  bound: ReturnType<typeof boundOf>,
  threshold: number,
  until: number,
  random: Random,
): number | null {
  const candidates = Math.log(bound.theta / bound.allowed);
  const stables = Math.log((1 - bound.theta) / (1 - bound.allowed));
  let sum = 0;
  for (let at = 0; ;) {
    at -= Math.log(1 - random.next()) / bound.errorsPerSecond;
    if (at > until) return null;
    sum += random.chance(bound.theta) ? candidates : stables;
    if (sum >= threshold) return at;
  }
}
