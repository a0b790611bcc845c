import type { Arm } from '../../core/slot.ts';
import type { MetricCount } from '../../core/traffic.ts';
import type { MetricAnswer } from './metric.ts';

/** More than this since the last answer is no count of anything. */
const MOST = 1e12;

/** What one arm said, or why it said nothing. Both are null when an answer only sets its zero. */
export interface ArmAnswer {
  readonly count: MetricCount | null;
  readonly trouble: string | null;
}

export const noZeroYet: ArmAnswer = { count: null, trouble: null };

export const inTrouble = (trouble: string): ArmAnswer => ({ count: null, trouble });

/** Asks both arms at once. */
export async function askBothArms(metric: string, ask: (arm: Arm) => Promise<ArmAnswer>): Promise<MetricAnswer> {
  const [stable, candidate] = await Promise.all([ask('stable'), ask('candidate')]);
  return {
    sample: { metric, arms: { stable: stable.count, candidate: candidate.count } },
    trouble: together(stable.trouble, candidate.trouble),
  };
}

function together(stable: string | null, candidate: string | null): string | null {
  if (stable === candidate) return stable;
  const said = [stable === null ? [] : [`stable: ${stable}`], candidate === null ? [] : [`candidate: ${candidate}`]];
  return said.flat().join('; ');
}

/**
 * Events out of a total, believed as far as numbers of others can be: what is no count is none at all, and no more events are taken than
 * there could have been.
 *
 * @param total null where the arm's requests are what it is compared by
 */
export function countAnswer(events: number, total: number | null): ArmAnswer {
  const wrong = [events, total ?? 0].find((value) => !isCount(value));
  if (wrong !== undefined) return inTrouble(`${wrong} is no count: it must be a number from 0 to ${MOST}`);
  if (total === null || events <= total) return { count: { events, total }, trouble: null };
  return {
    count: { events: total, total },
    trouble: `${events} events are more than their total of ${total}: are \`events\` and \`total\` the right way round?`,
  };
}

/** A value that has limits: any number that is one. */
export const valueAnswer = (value: number): ArmAnswer =>
  Number.isFinite(value)
    ? { count: { events: value, total: null }, trouble: null }
    : inTrouble(`${value} is no value that could be within limits`);

/** Zero and more, as far as doubles count exactly enough. */
export const isCount = (value: number): boolean => value >= 0 && value <= MOST;
