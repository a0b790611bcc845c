import { durationInWords } from '../../../core/plan/words.ts';
import type { Journey, JourneyStep } from '../../../core/spec/platform.ts';
import { formatListenAddress } from '../../../core/units/address.ts';
import { askOverHttp, type HttpAnswer } from '../bounded-http.ts';
import type { JourneyFailure, MetricArm } from '../metric.ts';
import { CookieJar } from './cookie-jar.ts';

/** Where a journey ended that did not go as declared. */
export type JourneyEnd = Pick<JourneyFailure, 'step' | 'request' | 'status' | 'expected' | 'found'>;

/**
 * Goes through a journey once, as one user of one instance: cookies are kept, redirects are answers like others.
 *
 * @param now UTC milliseconds
 * @returns null when every step was as expected
 * @throws the signal's reason, when that is aborted
 */
export async function runJourney(
  journey: Journey,
  endpoint: MetricArm['endpoints'][number],
  now: () => number,
  signal: AbortSignal,
): Promise<JourneyEnd | null> {
  const deadline = performance.now() + journey.timeoutMs;
  const jar = new CookieJar();
  for (const [index, step] of journey.steps.entries()) {
    const left = deadline - performance.now();
    const answer = await take(journey, step, endpoint, jar, Math.max(1, Math.ceil(left)), signal);
    const found = differenceOf(step, answer, journey.timeoutMs);
    if (found !== null)
      return {
        step: index + 1,
        request: `${step.method} ${step.path}`,
        status: answer.answered ? answer.status : null,
        expected: expectedInWords(step),
        found,
      };
    if (answer.answered) jar.take([answer.headers['set-cookie'] ?? []].flat(), step.path, now());
  }
  return null;
}

async function take(
  journey: Journey,
  step: JourneyStep,
  endpoint: MetricArm['endpoints'][number],
  jar: CookieJar,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const address = `http://${formatListenAddress(endpoint)}${step.path.startsWith('/') ? '' : '/'}${step.path}`;
  if (!URL.canParse(address)) return { answered: false, why: `${address} is no address` };
  const cookie = jar.header(step.path);
  return askOverHttp(
    new URL(address),
    {
      method: step.method,
      headers: {
        'user-agent': 'veza-journey',
        // So that a service can leave these users out of what it counts by itself.
        'x-veza-journey': encodeURIComponent(journey.name),
        ...(cookie === null ? {} : { cookie }),
        ...Object.fromEntries(Object.entries(step.headers).map(([name, value]) => [name.toLowerCase(), value])),
      },
      body: step.body,
      timeoutMs,
    },
    signal,
  );
}

function differenceOf(step: JourneyStep, answer: HttpAnswer, timeoutMs: number): string | null {
  if (!answer.answered)
    return answer.why.startsWith('no answer within')
      ? `the journey was not over within ${durationInWords(timeoutMs)}`
      : answer.why;
  if (answer.status !== step.expectStatus) return `status ${answer.status}`;
  if (step.expectBody !== null && !answer.body.includes(step.expectBody)) return 'a body without that text';
  return null;
}

const expectedInWords = ({ expectStatus, expectBody }: JourneyStep): string =>
  expectBody === null ? `status ${expectStatus}` : `status ${expectStatus} and “${expectBody}” in the body`;
