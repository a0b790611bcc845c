import { recordOf } from './access-record.ts';
import type { ClientRequest } from './client-request.ts';
import type { ClientStream } from './client-stream.ts';
import type { EdgeAnswer } from './edge-policy.ts';
import { httpsLocation } from './edge/redirect.ts';
import { Exchange } from './exchange.ts';
import { readAbsoluteTarget } from './http1/target.ts';
import { overridesMethod } from './mirror/method-override.ts';
import { normalizeHost } from './matcher.ts';
import { answerWithProblem, problems, type ProblemCode } from './problem.ts';
import { readRequestHead } from './request-head.ts';
import { edgeRequestOf, type ExchangeContext, type RoutedRequest } from './routed-request.ts';
import type { ServiceState } from './service-state.ts';
import { challengeAnswer } from './tls/challenge-answer.ts';

export interface RoutingContext extends ExchangeContext {
  /** Answers of ACME challenges by token. */
  readonly challenges: Readonly<Record<string, string>>;
  newRequestId(): string;
  /** The service of a host and path on the public listener. */
  match(host: string, path: string): ServiceState | null;
  service(name: string): ServiceState | null;
  /** Nobody knows the routes at the moment: a host that has none may well be ours. */
  readonly tableLost: boolean;
  /** Whether a route names this host, or a certificate has it. */
  isOurs(host: string): boolean;
}

/** The listener that a request came in on; an internal one belongs to one service. */
export type Entrance =
  | { readonly side: 'public'; readonly redirectToPort: number | null; readonly hsts: string | null }
  | { readonly side: 'internal'; readonly service: string; readonly hsts: null };

/** Finds the service of a request and sends it on its way. */
export function routeRequest(
  context: RoutingContext,
  entrance: Entrance,
  request: ClientRequest,
  client: ClientStream,
): void {
  const head = readRequestHead(request, entrance.side);
  const requestId = head.requestId ?? context.newRequestId();
  const refuse = (code: ProblemCode, detail: string | null): void => {
    refuseUnrouted(context, entrance, request, client, requestId, code, detail);
  };
  const unknown = context.tableLost ? 'no-table' : 'no-route';
  let { target } = request;
  let host = head.host ?? '';
  if (target.charCodeAt(0) !== slash) {
    // Absolute-form wins over the Host header (RFC 9112, 3.2.2).
    const absolute = readAbsoluteTarget(target);
    if (absolute === null) {
      refuse('bad-request', target === '*' ? 'It asks about the gateway, not about a service.' : 'Its target is none.');
      return;
    }
    host = absolute.authority;
    target = absolute.path;
  }
  if (request.method === 'TRACE') {
    // It would show its sender what the gateway has added, cookies of others' scripts included (RFC 9110, 9.3.8).
    refuse('not-implemented', 'TRACE is not passed on.');
    return;
  }
  if (head.copy && changesSomething(request)) {
    refuse('unsafe-copy', 'The request that led to this one is a copy; its sender got the answer of another release.');
    return;
  }
  const query = target.indexOf('?');
  const path = query === -1 ? target : target.slice(0, query);
  if (entrance.side === 'public' && !client.secure) {
    if (answerChallenge(context, path, client, request)) return;
    if (entrance.redirectToPort !== null) {
      // Nothing is served in the clear where it is said that nothing is, not even to who asks for a host of nobody's.
      if (!redirect(context, entrance.redirectToPort, host, target, client, requestId)) refuse(unknown, null);
      return;
    }
  }
  const service = entrance.side === 'public' ? context.match(host, path) : context.service(entrance.service);
  if (service === null || service.inForce === null) {
    refuse(unknown, null);
    return;
  }
  const routed: RoutedRequest = {
    service,
    request,
    client,
    head,
    side: entrance.side,
    hsts: entrance.hsts,
    host,
    path,
    target,
    requestId,
  };
  if (entrance.side === 'public' && service.policy !== null) {
    const answer = service.policy.admit(edgeRequestOf(routed));
    if (answer !== null) {
      answerAtEdge(context, routed, answer);
      return;
    }
  }
  new Exchange(context, routed).start();
}

const slash = 0x2f;

/** Whether a request may be more than a question (RFC 9110, 9.2.1). */
function changesSomething({ method, upgrade, names, target }: ClientRequest): boolean {
  const safe = method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
  return !safe || upgrade !== null || overridesMethod(names, target);
}

function answerChallenge(
  { challenges }: RoutingContext,
  path: string,
  client: ClientStream,
  request: ClientRequest,
): boolean {
  if (!path.startsWith('/.well-known/')) return false;
  const answer = challengeAnswer(path, challenges);
  if (answer === null) return false;
  sayAll(client, request, 200, ['content-type', 'application/octet-stream'], Buffer.from(answer));
  return true;
}

function redirect(
  context: RoutingContext,
  port: number,
  host: string,
  target: string,
  client: ClientStream,
  requestId: string,
): boolean {
  const location = httpsLocation({ host: host === '' ? null : host, target }, port, (name) =>
    context.isOurs(normalizeHost(name)),
  );
  if (location === null) return false;
  client.begin(308, '', ['location', location, 'x-request-id', requestId], 0, true);
  if (!client.bodyComplete) client.discardBody();
  client.end(null);
  return true;
}

/** What the edge says instead of an instance: counted by nobody's arm, since no arm was asked. */
function answerAtEdge(context: RoutingContext, routed: RoutedRequest, answer: EdgeAnswer): void {
  const { client, request, requestId, hsts } = routed;
  const own = hsts === null ? [] : ['strict-transport-security', hsts];
  if (request.expectsContinue) client.closeAfter();
  if (answer.code === 'hidden') {
    // Not to be told from a path that nobody has.
    answerWithProblem(client, 'no-route', null, requestId, own, request.method !== 'HEAD');
  } else {
    const headers = [...answer.headers, 'x-request-id', requestId, 'x-veza-error', answer.code, ...own];
    sayAll(client, request, answer.status, headers, answer.body);
  }
  context.accessLog?.record(recordOf(routed, null, endedNow(context, answer.status, answer.code, answer.body.length)));
}

function sayAll(
  client: ClientStream,
  request: ClientRequest,
  status: number,
  headers: readonly string[],
  body: Buffer,
): void {
  const withBody = request.method !== 'HEAD';
  client.begin(status, '', headers, body.length, withBody);
  if (withBody) client.write(body);
  if (!client.bodyComplete) client.discardBody();
  client.end(null);
}

/** Answers a request that belongs to no service; nobody's arm is charged with it. */
function refuseUnrouted(
  context: RoutingContext,
  entrance: Entrance,
  request: ClientRequest,
  client: ClientStream,
  requestId: string,
  code: ProblemCode,
  detail: string | null,
): void {
  if (request.expectsContinue) client.closeAfter();
  const headers = entrance.hsts === null ? [] : ['strict-transport-security', entrance.hsts];
  answerWithProblem(client, code, detail, requestId, headers, request.method !== 'HEAD');
  if (context.accessLog === null || entrance.side === 'internal') return;
  const query = request.target.indexOf('?');
  const path = query === -1 ? request.target : request.target.slice(0, query);
  const ended = endedNow(context, problems[code].status, code, 0);
  context.accessLog.record(recordOf({ service: null, request, client, path, requestId }, null, ended));
}

const endedNow = (context: ExchangeContext, status: number, code: string, bytesOut: number) => ({
  at: context.wall(),
  status,
  code,
  latencyMs: 0,
  bytesIn: 0,
  bytesOut,
});
