import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Exchange } from './exchange.ts';
import type { OnRequest, UpgradeSocket } from './listener.ts';
import { pickArm, type ArmChoice } from './pick-arm.ts';
import { problemDocument, problems, type ProblemCode } from './problem.ts';
import { discardRest } from './request-body.ts';
import { readRequestHead, type RequestHead, type Side } from './request-head.ts';
import type { ExchangeContext, RoutedRequest } from './routed-request.ts';
import type { ServiceState } from './service-state.ts';
import { readCookie, stickyCookieName, withoutCookie, type StickyCookie } from './sticky-cookie.ts';
import { Tunnel } from './tunnel.ts';

export interface RoutingContext extends ExchangeContext {
  readonly cookie: StickyCookie;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** The service of a host and path on the public listener. */
  match(host: string, path: string): ServiceState | null;
  service(name: string): ServiceState | null;
}

/** The listener that a request came in on; an internal one belongs to one service. */
export type Entrance =
  | { readonly side: 'public'; readonly service: null }
  | { readonly side: 'internal'; readonly service: string };

/** Finds the service and the arm of a request and sends it on its way. */
export function routeRequest(context: RoutingContext, entrance: Entrance, ...received: Parameters<OnRequest>): void {
  const [request, response, upgrade, expectsContinue] = received;
  const head = readRequestHead(request.rawHeaders, entrance.side);
  const requestId = head.requestId ?? randomUUID();
  const target = readTarget(request.url ?? '/', head.host);
  if (request.rawHeaders.length / 2 > context.limits.maxHeaders) {
    refuse(
      context,
      request,
      response,
      requestId,
      'headers-too-large',
      `The limit is ${context.limits.maxHeaders} headers.`,
    );
    return;
  }
  if (head.fault !== null || target === null) {
    refuse(context, request, response, requestId, 'bad-request', head.fault ?? 'unusable request target');
    return;
  }
  const service =
    entrance.side === 'public' ? context.match(target.host, target.path) : context.service(entrance.service);
  const entry = service?.inForce?.entry;
  if (service === null || entry === undefined) {
    refuse(context, request, response, requestId, 'no-route', null);
    return;
  }

  const sticky = entrance.side === 'public' && entry.public?.sticky === true;
  const cookieName = stickyCookieName(entry.service);
  const cookieValue = sticky && head.cookie !== null ? readCookie(head.cookie, cookieName) : null;
  const override = entrance.side === 'public' ? (entry.public?.canaryHeader ?? null) : null;
  const choice = pickArm(
    entry,
    {
      arm: head.arm,
      canaryHeader: override !== null && request.headers[override.name.toLowerCase()] === override.value,
      place: cookieValue === null ? null : context.cookie.verify(entry.service, cookieValue),
      cookieSent: cookieValue !== null,
      sticky,
    },
    (weight) => service.choice.next(weight),
    context.random,
  );
  const setCookie =
    choice.cookie.kind === 'set'
      ? context.cookie.set(entry.service, choice.cookie.place)
      : choice.cookie.kind === 'clear'
        ? context.cookie.clear(entry.service)
        : null;
  const routed: RoutedRequest = {
    service,
    entry,
    choice,
    request,
    response,
    path: target.pathAndQuery,
    headers: instanceHeaders(head, choice, request, entrance.side, target.host, requestId, sticky ? cookieName : null),
    requestId,
    contentLength: head.contentLength,
    chunked: head.chunked,
    setCookie,
    counted: !head.preview,
    expectsContinue,
    upgrade:
      upgrade === null ? null : upgradeOf(context, service, request, response, upgrade, entry.proxy.idleTimeoutMs),
  };
  new Exchange(context, routed).start();
}

/** Host and path of a request target; absolute-form wins over the Host header (RFC 9112, 3.2.2). */
function readTarget(
  url: string,
  hostHeader: string | null,
): { readonly host: string; readonly path: string; readonly pathAndQuery: string } | null {
  let host = hostHeader ?? '';
  let pathAndQuery = url;
  if (!url.startsWith('/')) {
    const absolute = /^https?:\/\/([^/?#]+)(.*)$/i.exec(url);
    if (absolute === null) return null;
    host = absolute[1] ?? '';
    const rest = absolute[2] ?? '';
    pathAndQuery = rest.startsWith('/') ? rest : `/${rest}`;
  }
  const query = pathAndQuery.indexOf('?');
  return { host, path: query === -1 ? pathAndQuery : pathAndQuery.slice(0, query), pathAndQuery };
}

/** Headers that the instance gets: the client's, and what the gateway knows. */
function instanceHeaders(
  head: RequestHead,
  choice: ArmChoice,
  request: IncomingMessage,
  side: Side,
  host: string,
  requestId: string,
  ownCookie: string | null,
): readonly string[] {
  const flat = head.acceptsEventStream ? withoutAcceptEncoding(head.forward) : head.forward;
  const peer = request.socket.remoteAddress ?? '';
  const address = peer.startsWith('::ffff:') ? peer.slice(7) : peer;
  if (host !== '') flat.push('host', host);
  const cookie = head.cookie === null || ownCookie === null ? head.cookie : withoutCookie(head.cookie, ownCookie);
  if (cookie !== null) flat.push('cookie', cookie);
  flat.push(
    'x-request-id',
    requestId,
    'x-forwarded-for',
    side === 'internal' && head.forwardedFor !== null ? `${head.forwardedFor}, ${address}` : address,
    'x-forwarded-proto',
    head.forwardedProto ?? 'http',
    'x-forwarded-host',
    head.forwardedHost ?? host,
    'via',
    '1.1 veza',
  );
  if (choice.travels !== null) flat.push('x-veza-arm', choice.travels);
  return flat;
}

/** An event stream must be readable for the gateway, or it could not tell where an event ends when it has to end it. */
function withoutAcceptEncoding(flat: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    if (flat[i]?.toLowerCase() !== 'accept-encoding') kept.push(flat[i] ?? '', flat[i + 1] ?? '');
  }
  return kept;
}

/** What happens when the instance agrees to another protocol: its answer goes to the client, then bytes both ways. */
function upgradeOf(
  context: RoutingContext,
  service: ServiceState,
  request: IncomingMessage,
  response: ServerResponse,
  { socket, head }: UpgradeSocket,
  idleTimeoutMs: number,
): RoutedRequest['upgrade'] {
  const protocol = request.headers.upgrade ?? '';
  return {
    protocol,
    accept({ headers, instance, upstream }) {
      response.detachSocket(socket);
      let text = 'HTTP/1.1 101 Switching Protocols\r\n';
      for (let i = 0; i + 1 < headers.length; i += 2) text += `${headers[i] ?? ''}: ${headers[i + 1] ?? ''}\r\n`;
      socket.write(`${text}connection: Upgrade\r\nupgrade: ${protocol}\r\n\r\n`, 'latin1');
      service.streams += 1;
      const tunnel = new Tunnel({
        client: socket,
        instance,
        webSocket: protocol.toLowerCase() === 'websocket',
        idleTimeoutMs,
        now: () => context.now(),
        ended: () => {
          service.streams -= 1;
          upstream.leave(tunnel);
        },
      });
      upstream.join(tunnel);
      tunnel.start(head);
    },
  };
}

/** Answers a request that belongs to no service; nobody's arm is charged with it. */
function refuse(
  context: RoutingContext,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
  code: ProblemCode,
  detail: string | null,
): void {
  const body = Buffer.from(problemDocument(code, detail, requestId));
  response.on('error', () => {});
  const flat = ['content-type', 'application/problem+json', 'content-length', String(body.length)];
  flat.push('x-veza-error', code, 'x-request-id', requestId);
  if (context.closing || request.headers.expect !== undefined) flat.push('connection', 'close');
  response.writeHead(problems[code].status, flat);
  response.end(body);
  discardRest(request);
}
