import { createHash } from 'node:crypto';
import type { MetricSource } from '../../../core/spec/platform.ts';
import { askBothArms, inTrouble, noZeroYet, valueAnswer, countAnswer, type ArmAnswer } from '../arm-answers.ts';
import { askOverHttp, refusedInWords, shownText, shownUrl } from '../bounded-http.ts';
import type { MetricScope, MetricSourceDriver } from '../metric.ts';
import { fillScope, fillUrl, valuesOf } from '../placeholders.ts';

type WebhookSource = Extract<MetricSource, { kind: 'webhook' }>;

/** Of the phases that Flagger has, the one in which it calls `rollout` hooks. */
const PHASE = 'Progressing';

/**
 * A service that says whether a rollout may go on, by Flagger's contract for `rollout` hooks (https://docs.flagger.app/usage/webhooks):
 * POST of JSON with `name`, `namespace`, `phase`, `checksum` and `metadata`; 2xx passes, anything else and silence does not. Its question
 * is about the candidate, so stable is never asked. One call is one answer: 1 did not pass, 0 passed.
 */
export function createWebhookSource(metric: string, source: WebhookSource, isLimit: boolean): MetricSourceDriver {
  return {
    everyMs: source.everyMs,
    ask: (scope, signal) =>
      askBothArms(metric, (arm) =>
        arm === 'stable' ? Promise.resolve(noZeroYet) : call(source, isLimit, scope, signal),
      ),
  };
}

async function call(
  source: WebhookSource,
  isLimit: boolean,
  scope: MetricScope,
  signal: AbortSignal,
): Promise<ArmAnswer> {
  const values = valuesOf(scope, 'candidate');
  const url = fillUrl(source.url, values);
  if (url === null) return inTrouble(`${source.url} is no address that could be called`);
  const metadata = Object.entries(source.metadata).map(([key, text]) => [key, fillScope(text, values)]);
  const answer = await askOverHttp(
    url,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'veza-metric' },
      body: JSON.stringify({
        name: scope.service,
        namespace: scope.environment,
        phase: PHASE,
        checksum: checksumOf(values.release),
        metadata: Object.fromEntries(metadata),
      }),
      timeoutMs: source.timeoutMs,
    },
    signal,
  );
  const passed = answer.answered && answer.status >= 200 && answer.status < 300;
  const said = isLimit ? valueAnswer(passed ? 0 : 1) : countAnswer(passed ? 0 : 1, 1);
  if (passed) return said;
  const why = answer.answered ? `${refusedInWords(answer.status)}${bodyInWords(answer.body)}` : answer.why;
  return { ...said, trouble: `${shownUrl(url)} did not let the candidate pass: ${why}` };
}

const bodyInWords = (body: string): string => (shownText(body) === '' ? '' : `: ${shownText(body)}`);

/** As Flagger's: the same for the same release, another one for another. */
const checksumOf = (release: string): string => createHash('sha256').update(release).digest('hex').slice(0, 10);
