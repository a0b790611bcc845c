import { z } from 'zod';
import type { Arm } from '../../../core/slot.ts';
import type { MetricSource } from '../../../core/spec/platform.ts';
import { formatListenAddress } from '../../../core/units/address.ts';
import { formatCommand } from '../../../core/units/command.ts';
import { askBothArms, countAnswer, inTrouble, noZeroYet, valueAnswer, type ArmAnswer } from '../arm-answers.ts';
import { shownText } from '../bounded-http.ts';
import type { MetricContext, MetricScope, MetricSourceDriver } from '../metric.ts';
import { runCommand } from './run-command.ts';

type CommandSource = Extract<MetricSource, { kind: 'command' }>;

/** The time that is asked about, in UTC milliseconds: each begins where the last one ended. */
interface Span {
  readonly since: number;
  readonly until: number;
}

const printed = z.object({ events: z.number(), total: z.number().nullish() });

/**
 * A program that prints, for the arm in its environment, what happened since it was asked before: `{"events": 3, "total": 100}`. No shell
 * is between, and nothing is put into its arguments.
 */
export function createCommandSource(
  metric: string,
  source: CommandSource,
  isLimit: boolean,
  context: MetricContext,
): MetricSourceDriver {
  let until: number | null = null;
  return {
    everyMs: source.everyMs,
    ask: async (scope, signal) => {
      const span = { since: until, until: context.now() };
      const { since } = span;
      // Before the first question nothing is known of which a count could be the rest: it begins now.
      if (since === null && !isLimit) {
        until = span.until;
        return askBothArms(metric, () => Promise.resolve(noZeroYet));
      }
      const either = AbortSignal.any([signal, context.signal]);
      const asked = { since: since ?? span.until, until: span.until };
      const answer = await askBothArms(metric, (arm) =>
        run(source, isLimit, context.folder, scope, arm, asked, either),
      );
      // One that was cancelled has not been answered: its time is asked about again.
      until = span.until;
      return answer;
    },
  };
}

async function run(
  source: CommandSource,
  isLimit: boolean,
  folder: string,
  scope: MetricScope,
  arm: Arm,
  span: Span,
  signal: AbortSignal,
): Promise<ArmAnswer> {
  const { slot, release, endpoints } = scope.arms[arm];
  const variables = {
    VEZA_ARM: arm,
    VEZA_SLOT: slot,
    VEZA_RELEASE: release,
    VEZA_SERVICE: scope.service,
    VEZA_ENVIRONMENT: scope.environment,
    VEZA_ENDPOINTS: endpoints.map(formatListenAddress).join(' '),
    VEZA_SINCE: seconds(span.since),
    VEZA_UNTIL: seconds(span.until),
  };
  const answer = await runCommand(source.command, { folder, variables, timeoutMs: source.timeoutMs }, signal);
  const trouble = (why: string): ArmAnswer => inTrouble(`${formatCommand(source.command)} ${why}`);
  if (!answer.ok) return trouble(answer.why);
  const read = printed.safeParse(parseJson(answer.output));
  if (!read.success)
    return trouble(`must print {"events": 3, "total": 100}, and printed “${shownText(answer.output)}”`);
  const { events, total } = read.data;
  return isLimit ? valueAnswer(events) : countAnswer(events, total ?? null);
}

/** Unix seconds with milliseconds, as databases take them. */
const seconds = (ms: number): string => (ms / 1_000).toFixed(3);

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
