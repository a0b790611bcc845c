import { followUpTarget, type ExpectedRequest, type HostileCase } from './case.ts';
import type { ReadAnswer, ReadRequest } from './strict-reader.ts';

/** What one case did in one mode of sending. */
export interface Outcome {
  readonly answers: readonly ReadAnswer[];
  /** Why the client's bytes are no answers. */
  readonly answerFault: string | null;
  readonly closed: 'ended' | 'reset' | null;
  /** Complete requests at the instance, in the order in which they came. */
  readonly arrived: readonly ReadRequest[];
  /** Bytes at the instance that are no request. */
  readonly faults: readonly string[];
  /** Requests at the instance that began and did not end. */
  readonly incomplete: number;
}

export type Kind = 'refused' | 'passed' | 'broken-off' | 'held' | 'malformed';

const fromInstance = (answer: ReadAnswer): boolean => answer.headers.some(([name]) => name === 'x-instance');

/** One case through one router, in all modes of sending. */
export interface CaseResult {
  readonly kind: Kind;
  /** Sent in one piece; other modes that differ from it are in `problems`. */
  readonly what: string;
  /** For comparing: what it did and what arrived. */
  readonly key: string;
  /** Each with the mode in which it was seen. */
  readonly problems: readonly string[];
}

/** What the router did, whatever it should have done. */
export function kindOf(outcome: Outcome): Kind {
  if (outcome.faults.length > 0 || outcome.answerFault !== null) return 'malformed';
  if (outcome.arrived.length > 0) return 'passed';
  const refused = outcome.answers.some((answer) => answer.status >= 400 && !fromInstance(answer));
  if (outcome.incomplete > 0) return outcome.closed !== null || refused ? 'broken-off' : 'held';
  return refused || outcome.closed !== null ? 'refused' : 'held';
}

const summary = ({ method, target, body }: ReadRequest): string =>
  `${method} ${target.length > 40 ? `${target.slice(0, 30)}...(${target.length})` : target}${body.length > 0 ? ` + ${body.length} B` : ''}`;

/** One line: what the client saw and what arrived. */
export function describeOutcome(outcome: Outcome): string {
  const statuses = outcome.answers.map((answer) => `${answer.status}${answer.complete ? '' : ' cut'}`);
  if (outcome.answerFault !== null) statuses.push(`no answer (${outcome.answerFault})`);
  if (outcome.closed !== null) statuses.push(outcome.closed === 'ended' ? 'closed' : 'reset');
  const arrived = outcome.arrived.map(summary);
  if (arrived.length > 4) arrived.splice(3, arrived.length - 3, `... ${arrived.length} requests`);
  if (outcome.incomplete > 0) arrived.push(`${outcome.incomplete} incomplete`);
  for (const fault of outcome.faults) arrived.push(`MALFORMED: ${fault}`);
  return `${statuses.join(' ') || 'nothing'} <- ${arrived.join(', ') || 'nothing'}`;
}

/** What arrived, for comparing two routers: without headers, which each one writes in its own way. */
export const arrivedKey = (outcome: Outcome): string =>
  JSON.stringify([
    kindOf(outcome),
    outcome.arrived.map(({ method, target, body }) => [method, target, body.toString('latin1')]),
  ]);

/** Headers that a router sets itself, and what it must say there. */
const ownHeaders: Readonly<Record<'gateway' | 'haproxy', ReadonlyMap<string, RegExp>>> = {
  gateway: new Map([
    ['x-request-id', /^[A-Za-z0-9._:+/=@-]{1,128}$/],
    ['x-forwarded-for', /^127\.0\.0\.1$/],
    ['x-forwarded-proto', /^http$/],
    ['x-forwarded-host', /^(?!evil)/],
    ['via', /^1\.[01] veza$/],
  ]),
  haproxy: new Map(),
};

/** They frame the message or hold the connection; the strict reading of body and connection has judged them. */
const hopHeaders: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'connection', 'keep-alive']);

const sorted = (headers: readonly (readonly [string, string])[]): string =>
  JSON.stringify(headers.map(([name, value]) => `${name}: ${value}`).sort());

function requestProblems(got: ReadRequest, expected: ExpectedRequest, router: 'gateway' | 'haproxy'): string[] {
  const { method = 'GET', target = '/hostile', body = '' } = expected;
  const problems: string[] = [];
  if (got.method !== method) problems.push(`method ${got.method} instead of ${method}`);
  if (got.target !== target) problems.push(`target ${got.target} instead of ${target}`);
  if (got.body.toString('latin1') !== body)
    problems.push(`body ${JSON.stringify(got.body.toString('latin1').slice(0, 60))}`);
  if (sorted(got.trailers) !== sorted(expected.trailers ?? [])) problems.push(`trailers ${sorted(got.trailers)}`);
  const own = ownHeaders[router];
  const rest: (readonly [string, string])[] = [];
  const seen = new Set<string>();
  for (const [name, value] of got.headers) {
    if (hopHeaders.has(name)) continue;
    const form = own.get(name);
    if (form === undefined) rest.push([name, value]);
    else if (!form.test(value) || seen.has(name)) problems.push(`${name}: ${value}`);
    seen.add(name);
  }
  const wanted = [...(expected.headers ?? [])];
  if (!wanted.some(([name]) => name === 'host')) wanted.push(['host', 'a.test']);
  if (sorted(rest) !== sorted(wanted)) problems.push(`headers ${sorted(rest)} instead of ${sorted(wanted)}`);
  return problems;
}

/** The answer must be the instance's to this very request. */
function answerProblems(answer: ReadAnswer | undefined, request: ReadRequest): string[] {
  if (answer === undefined) return [`no answer to ${summary(request)}`];
  const text = request.method === 'HEAD' ? '' : `${request.method} ${request.target} ${request.body.length}`;
  const got = answer.body.toString('latin1');
  if (answer.status !== 200 || !fromInstance(answer) || got !== text || !answer.complete) {
    return [`${summary(request)} was answered with ${answer.status} ${JSON.stringify(got.slice(0, 60))}`];
  }
  return [];
}

/**
 * What is wrong with an outcome.
 *
 * @returns what is wrong; empty when all is as expected
 */
export function judge(one: HostileCase, outcome: Outcome, router: 'gateway' | 'haproxy'): readonly string[] {
  const { expect } = one;
  const problems: string[] = [];
  for (const fault of outcome.faults) problems.push(`malformed at the instance: ${fault}`);
  if (outcome.answerFault !== null) problems.push(`malformed at the client: ${outcome.answerFault}`);
  const refusal = outcome.answers.find((answer) => !fromInstance(answer));
  const nothingArrived = (): void => {
    for (const request of outcome.arrived) problems.push(`arrived: ${summary(request)}`);
  };
  switch (expect.kind) {
    case 'refused':
      nothingArrived();
      if (outcome.incomplete > 0) problems.push('a beginning of it arrived');
      if (outcome.closed === null) problems.push('the connection stays open');
      if (outcome.answers.length !== 1 || refusal === undefined) problems.push('no refusal, or more than one answer');
      else if (!expect.statuses.includes(refusal.status)) {
        problems.push(`status ${refusal.status} instead of ${expect.statuses.join(', ')}`);
      }
      return problems;
    case 'declined': {
      const [answer, next] = outcome.answers;
      const [followed] = outcome.arrived;
      if (answer === undefined || fromInstance(answer) || !expect.statuses.includes(answer.status)) {
        problems.push('not declined');
      }
      if (outcome.arrived.length !== 1 || followed?.target !== followUpTarget) problems.push('not the follow-up alone');
      else problems.push(...answerProblems(next, followed));
      return problems;
    }
    case 'broken-off':
      nothingArrived();
      if (outcome.closed === null) problems.push('the connection stays open');
      if (refusal !== undefined && refusal.status < 400) problems.push(`answered with ${refusal.status}`);
      return problems;
    case 'held':
      nothingArrived();
      if (outcome.answers.some((answer) => answer.status < 400)) problems.push('answered before it was complete');
      return problems;
    case 'passed': {
      const expected = [...expect.requests];
      const followed = outcome.arrived.length > expected.length;
      const followUp: ExpectedRequest = { target: followUpTarget };
      if (one.alone !== true && (expect.next === 'answered' || (expect.next === 'either' && followed))) {
        expected.push(followUp);
      }
      if (outcome.arrived.length !== expected.length) {
        problems.push(`${outcome.arrived.length} requests arrived instead of ${expected.length}`);
      }
      if (outcome.incomplete > 0) problems.push('the beginning of another one arrived');
      for (const [at, want] of expected.entries()) {
        const got = outcome.arrived[at];
        if (got === undefined) problems.push(`${want.method ?? 'GET'} ${want.target ?? '/hostile'} did not arrive`);
        else problems.push(...requestProblems(got, want, router), ...answerProblems(outcome.answers[at], got));
      }
      const more = outcome.answers.slice(expected.length);
      if (expect.next === 'refused') {
        const [last] = more;
        if (more.length !== 1 || last === undefined || last.status < 400 || fromInstance(last)) {
          problems.push('what is behind it was not refused');
        }
      } else if (more.length > 0 && expect.next !== 'either') problems.push(`${more.length} answers too many`);
      if ((expect.next === 'refused' || expect.next === 'closed') && outcome.closed === null) {
        problems.push('the connection stays open');
      }
      return problems;
    }
  }
}
