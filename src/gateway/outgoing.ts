import type { RouteTableEntry } from '../core/route-table.ts';
import { otherSlot } from '../core/slot.ts';
import { pickArm, type ArmChoice, type Chosen } from './pick-arm.ts';
import type { AnsweredRequest } from '../core/route-counts.ts';
import type { Outcome } from './counters.ts';
import type { AnswerEncoder } from './edge-policy.ts';
import type { ParsedAnswer } from './http1/message.ts';
import { answerWithProblem, type ProblemCode } from './problem.ts';
import { headerOf, headersForClient } from './request-head.ts';
import { encoderFor, type ExchangeContext, type RoutedRequest } from './routed-request.ts';
import { readCookie, stickyCookieName, withoutCookie } from './sticky-cookie.ts';

/** Chooses the arm of a request; see docs/gateway.md for the rules. Takes one turn of the weights at most. */
export function chooseArm(context: ExchangeContext, routed: RoutedRequest, entry: RouteTableEntry): Chosen {
  const { service, request, head, side } = routed;
  const fromUser = side === 'public';
  if (head.arm === null && (fromUser ? service.plainForUsers : service.plainInside)) return service.plain(entry);
  const sticky = fromUser && entry.public?.sticky === true;
  const cookieValue = sticky && head.cookie !== null ? readCookie(head.cookie, stickyCookieName(entry.service)) : null;
  const override = fromUser ? (entry.public?.canaryHeader ?? null) : null;
  const choice = pickArm(
    entry,
    {
      arm: head.arm,
      canaryHeader: override !== null && headerOf(request, override.name.toLowerCase()) === override.value,
      place: cookieValue === null ? null : context.cookie.verify(entry.service, cookieValue),
      cookieSent: cookieValue !== null,
      sticky,
    },
    (weight) => service.choice.next(weight),
    () => context.random(),
  );
  const setCookie =
    choice.cookie.kind === 'set'
      ? context.cookie.set(entry.service, choice.cookie.place)
      : choice.cookie.kind === 'clear'
        ? context.cookie.clear(entry.service)
        : null;
  return { entry, choice, setCookie };
}

/** Whether a missing body is said to be one of length 0 (RFC 9110, 8.6). */
const hasContent = (method: string): boolean => method === 'POST' || method === 'PUT' || method === 'PATCH';

/**
 * The head of a request as the instance gets it: written anew from what was parsed, never passed on raw.
 *
 * @param more lines that only this one has
 */
export function instanceHead(routed: RoutedRequest, choice: ArmChoice, more = ''): string {
  const { request, client, head, side, host, target, requestId, service } = routed;
  const internal = side === 'internal';
  let text = `${request.method} ${target} HTTP/1.1\r\nhost: ${host === '' ? service.name : host}\r\n${head.forward}`;
  // An event stream must be readable for the gateway, or it could not tell where an event ends when it has to end it.
  if (head.acceptEncoding !== null && !head.acceptsEventStream) text += `accept-encoding: ${head.acceptEncoding}\r\n`;
  if (head.cookie !== null) {
    const sticky = !internal && service.inForce?.entry.public?.sticky === true;
    const cookie = sticky ? withoutCookie(head.cookie, stickyCookieName(service.name)) : head.cookie;
    if (cookie !== null) text += `cookie: ${cookie}\r\n`;
  }
  const from = client.remoteAddress;
  const relayed = service.inForce?.entry.relayed === true;
  const passed = internal ? head.forwardedFor : null;
  text += `x-request-id: ${requestId}\r\nx-forwarded-for: ${
    passed === null ? from : relayed ? passed : `${passed}, ${from}`
  }\r\nx-forwarded-proto: ${head.forwardedProto ?? (client.secure ? 'https' : 'http')}\r\n`;
  const forwardedHost = head.forwardedHost ?? host;
  if (forwardedHost !== '') text += `x-forwarded-host: ${forwardedHost}\r\n`;
  if (!relayed)
    text += request.version === '1.1' ? 'via: 1.1 veza\r\n' : `via: ${request.version === '2' ? '2' : '1.0'} veza\r\n`;
  if (choice.travels !== null) text += `x-veza-arm: ${choice.travels}\r\n`;
  if (request.body.kind === 'length') text += `content-length: ${request.body.bytes}\r\n`;
  else if (request.body.kind === 'open') text += 'transfer-encoding: chunked\r\n';
  else if (hasContent(request.method)) text += 'content-length: 0\r\n';
  if (request.upgrade !== null) text += `connection: Upgrade\r\nupgrade: ${request.upgrade}\r\n`;
  return `${text}${more}\r\n`;
}

/** What the head of an instance's answer says about its body. */
export function natureOf({ status, body, announced, contentType, contentEncoding }: ParsedAnswer): {
  readonly withBody: boolean;
  /** Bytes of body; null when nobody knows. */
  readonly length: number | null;
  readonly eventStream: boolean;
  /** Its events can be told apart. */
  readonly readable: boolean;
} {
  const withBody = body === null || body.kind !== 'none';
  const length = (withBody && body?.kind !== 'length') || status === 204 ? null : announced;
  const eventStream = withBody && length === null && contentType?.startsWith('text/event-stream') === true;
  // Where an event ends can only be seen in plain text; the gateway asks for that, an instance may disregard it.
  const readable = eventStream && (contentEncoding === null || contentEncoding === 'identity');
  return { withBody, length, eventStream, readable };
}

/**
 * Begins the answer to a client with what the instance said and what the gateway says.
 *
 * @param rescued by the slot that was not chosen
 * @param length bytes of body; null when nobody knows
 * @returns what the body has to go through; null when it goes as it is
 */
export function beginAnswer(
  routed: RoutedRequest,
  chosen: Chosen | null,
  rescued: boolean,
  answer: ParsedAnswer,
  length: number | null,
  withBody: boolean,
): AnswerEncoder | null {
  const { client, side, service } = routed;
  const { status, reason, lines } = answer;
  // Where nobody wants to know the headers one by one, they are never taken apart: they go on as the lines that they came in.
  if (lines !== null && client.beginLines !== undefined && (service.policy === null || side === 'internal')) {
    client.beginLines(status, reason, lines + ownLines(routed, chosen, rescued), answer.dated, length, withBody);
    return null;
  }
  const headers = headersForClient(answer);
  addOwnHeaders(routed, chosen, rescued, headers);
  const encoder = encoderFor(routed, status, headers, length);
  client.begin(status, reason, headers, encoder === null ? length : null, withBody);
  return encoder;
}

/** The same as `addOwnHeaders` adds. */
function ownLines({ requestId, hsts }: RoutedRequest, chosen: Chosen | null, rescued: boolean): string {
  let text = 'x-request-id: ' + requestId + '\r\n';
  if (chosen !== null) {
    const release = releaseOf(chosen, rescued);
    if (release !== null) text += 'x-veza-release: ' + release + '\r\n';
    if (chosen.setCookie !== null) text += 'set-cookie: ' + chosen.setCookie + '\r\n';
  }
  if (hsts !== null) text += 'strict-transport-security: ' + hsts + '\r\n';
  return text;
}

function releaseOf({ entry, choice: { slot } }: Chosen, rescued: boolean): string | null {
  return entry.releases[rescued ? otherSlot(slot) : slot];
}

/**
 * Adds what the gateway says to an instance's answer.
 *
 * @param flat headers of the answer, changed in place
 */
export function addOwnHeaders(routed: RoutedRequest, chosen: Chosen | null, rescued: boolean, flat: string[]): void {
  const { requestId, hsts } = routed;
  flat.push('x-request-id', requestId);
  if (chosen !== null) {
    const release = releaseOf(chosen, rescued);
    if (release !== null) flat.push('x-veza-release', release);
    if (chosen.setCookie !== null) flat.push('set-cookie', chosen.setCookie);
  }
  if (hsts !== null) flat.push('strict-transport-security', hsts);
}

/** A request that has ended, as it is counted by its route. @param instance that was asked last */
export function answeredRequest(
  { request, head, path }: RoutedRequest,
  outcome: Outcome,
  status: number,
  latencyMs: number,
  instance: string | null,
): AnsweredRequest {
  const lost = outcome === 'gateway-error';
  const traceparent = lost || outcome === 'server-error' ? headerOf(request, 'traceparent') : null;
  return { method: request.method, path, status, lost, latencyMs, traceparent, requestId: head.requestId, instance };
}

/** The gateway's own answer to a request. */
export function answerInstead(
  { client, request, requestId, hsts }: RoutedRequest,
  chosen: Chosen | null,
  code: ProblemCode,
  detail: string | null,
): void {
  const headers: string[] = [];
  const setCookie = chosen?.setCookie ?? null;
  if (setCookie !== null) headers.push('set-cookie', setCookie);
  if (hsts !== null) headers.push('strict-transport-security', hsts);
  // Without 100 Continue nobody knows whether the body still comes.
  if (request.expectsContinue || code === 'request-timeout') client.closeAfter();
  answerWithProblem(client, code, detail, requestId, headers, request.method !== 'HEAD');
}
