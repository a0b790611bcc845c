import type { RouteTableEntry } from '../core/route-table.ts';
import { otherSlot } from '../core/slot.ts';
import type { ClientStreamEvents } from './client-stream.ts';
import type { Outcome } from './counters.ts';
import type { AnswerEncoder, EdgeRequest } from './edge-policy.ts';
import type { EndReason, Flight } from './flight.ts';
import type { ParsedAnswer } from './http1/message.ts';
import type { InstanceConnection, InstanceUser } from './http1/instance-connection.ts';
import { chooseArm, instanceHead, type Chosen } from './outgoing.ts';
import { answerWithProblem, problems, type ProblemCode } from './problem.ts';
import { readAnswerHead } from './request-head.ts';
import type { ExchangeContext, RoutedRequest } from './routed-request.ts';
import type { Waiter } from './service-state.ts';
import { EventBoundaryScanner } from './sse-boundary.ts';
import { Tunnel } from './tunnel.ts';
import type { Upstream } from './upstream.ts';

/** Methods that may be sent twice (RFC 9110, 9.2.2). */
const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
const maxAttempts = 6;

type Phase = 'queued' | 'connecting' | 'sending' | 'waiting' | 'answering' | 'done';

/**
 * One request on its way to an instance and its answer on the way back, streamed both ways.
 *
 * It is tried again only while the instance cannot have acted on it: no connection, nothing written yet; or, within the
 * budget, when it is idempotent and without body and the connection ended without a byte of answer. Anything else that
 * goes wrong is told to the client: with a problem document, or, once the answer has begun, by breaking it off.
 */
export class Exchange implements Flight, Waiter, InstanceUser, ClientStreamEvents {
  previous: Flight | null = null;
  following: Flight | null = null;
  readonly #context: ExchangeContext;
  readonly #routed: RoutedRequest;
  readonly #startedAt: number;
  readonly #hasBody: boolean;
  readonly #repeatable: boolean;
  #isStream: boolean;
  /** Counted as inside by the service's admission. */
  #inside = false;
  #chosen: Chosen | null = null;
  #head = '';
  #tried: Upstream[] | null = null;
  #attempts = 0;
  #phase: Phase = 'queued';
  #upstream: Upstream | null = null;
  #connection: InstanceConnection | null = null;
  #freshOnly: boolean;
  /** The chosen slot could not serve it, the other did. */
  #rescued = false;
  #answerBegun = false;
  #bodyEnded: boolean;
  #bytesIn = 0;
  #bytesOut = 0;
  /** The instance does not take the request's body. */
  #instanceBlocked = false;
  /** The client does not take the answer. */
  #clientBlocked = false;
  #windowAt: number;
  #windowBytes = 0;
  #requestEndedAt: number;
  #lastActivity: number;
  #latencyMs = 0;
  #status = 0;
  #code: ProblemCode | null = null;
  #events: EventBoundaryScanner | null = null;
  #encoder: AnswerEncoder['stream'] | null = null;
  #told = false;
  #counted = false;

  constructor(context: ExchangeContext, routed: RoutedRequest) {
    const { request } = routed;
    this.#context = context;
    this.#routed = routed;
    this.#hasBody = request.body.kind === 'open' || (request.body.kind === 'length' && request.body.bytes > 0);
    this.#bodyEnded = !this.#hasBody;
    this.#repeatable = !this.#hasBody && request.upgrade === null && idempotentMethods.has(request.method);
    this.#freshOnly = request.upgrade !== null;
    this.#isStream = request.upgrade !== null;
    const now = context.now();
    this.#startedAt = now;
    this.#requestEndedAt = now;
    this.#lastActivity = now;
    this.#windowAt = now;
    routed.client.events = this;
  }

  get isStream(): boolean {
    return this.#isStream;
  }

  get waiting(): Flight['waiting'] {
    const waits = !this.#routed.head.preview && (this.#phase === 'waiting' || this.#phase === 'connecting');
    return waits && this.#chosen !== null ? { arm: this.#chosen.choice.arm, since: this.#requestEndedAt } : null;
  }

  start(): void {
    const { service } = this.#routed;
    if (this.#isStream) {
      service.streams += 1;
      if (service.streams > this.#context.limits.maxStreams) this.#refuse('too-many-streams', null);
      else this.#begin();
    } else if (service.admission.tryEnter()) {
      this.#inside = true;
      this.#begin();
    } else if (!service.admission.enqueue(this, this.#startedAt)) {
      this.#refuse('overloaded', null);
    }
  }

  admitted(): void {
    this.#inside = true;
    this.#begin();
  }

  expired(): void {
    this.#refuse('overloaded', null);
  }

  #begin(): void {
    const { service, request } = this.#routed;
    const entry = this.#choose();
    if (entry === null) {
      this.#refuse('no-route', null);
      return;
    }
    const { maxBodyBytes } = entry.proxy;
    if (maxBodyBytes !== null && request.body.kind === 'length' && request.body.bytes > maxBodyBytes) {
      this.#refuse('body-too-large', `The limit is ${maxBodyBytes} bytes.`);
      return;
    }
    service.budget.deposit(this.#startedAt);
    this.#attempt(this.#startedAt);
  }

  #choose(): RouteTableEntry | null {
    const { service } = this.#routed;
    if (this.#chosen === null && service.inForce !== null) {
      this.#chosen = chooseArm(this.#context, this.#routed, service.inForce.entry);
    }
    return this.#chosen?.entry ?? null;
  }

  #attempt(now: number): void {
    const upstream = this.#attempts < maxAttempts ? this.#pick(now) : null;
    this.#attempts += 1;
    if (upstream === null) {
      this.#refuse(this.#attempts === 1 ? 'no-endpoint' : 'connect-failed', null);
      return;
    }
    this.#upstream = upstream;
    upstream.join(this);
    const kept = this.#freshOnly ? null : upstream.takeIdle(this.#repeatable, now);
    if (kept !== null) {
      this.#dispatch(kept, now);
      return;
    }
    this.#phase = 'connecting';
    this.#lastActivity = now;
    this.#connection = upstream.connect(this);
  }

  /** An endpoint of the chosen slot, or, when none of them could be reached, one of the other if it may have traffic. */
  #pick(now: number): Upstream | null {
    const { service } = this.#routed;
    const slot = this.#chosen?.choice.slot;
    const entry = service.inForce?.entry;
    if (slot === undefined) return null;
    const own = service.pick(slot, this.#tried, now);
    if (own !== null) return own;
    const rescue = otherSlot(slot);
    if (entry === undefined || (rescue !== entry.stable && entry.candidateWeight <= 0)) return null;
    const other = service.pick(rescue, this.#tried, now);
    if (other !== null) this.#rescued = true;
    return other;
  }

  connected(connection: InstanceConnection): void {
    if (this.#phase !== 'connecting') return;
    this.#upstream?.accepted();
    this.#dispatch(connection, this.#context.now());
  }

  #dispatch(connection: InstanceConnection, now: number): void {
    const { request, client } = this.#routed;
    this.#connection = connection;
    this.#lastActivity = now;
    this.#phase = this.#bodyEnded ? 'waiting' : 'sending';
    if (this.#head === '' && this.#chosen !== null) this.#head = instanceHead(this.#routed, this.#chosen.choice);
    connection.send(this, request.method, this.#head, request.body);
    if (this.#hasBody) {
      this.#windowAt = now;
      if (request.expectsContinue) client.inform(100, []);
      client.resumeBody();
      // What came with the head has been put behind it, and may have been wrong.
      if (this.#connection !== connection) return;
    }
    connection.flush();
  }

  // What the client sends.

  bodyData(bytes: Buffer): void {
    const connection = this.#connection;
    if (this.#phase === 'done' || connection === null) return;
    this.#bytesIn += bytes.length;
    this.#windowBytes += bytes.length;
    this.#lastActivity = this.#context.now();
    const maxBodyBytes = this.#chosen?.entry.proxy.maxBodyBytes ?? null;
    if (maxBodyBytes !== null && this.#bytesIn > maxBodyBytes) {
      this.#stopInstance();
      this.#refuse('body-too-large', `The limit is ${maxBodyBytes} bytes.`);
    } else if (!connection.writeBody(bytes)) {
      this.#instanceBlocked = true;
      this.#routed.client.pauseBody();
    }
  }

  bodyEnd(trailers: readonly string[]): void {
    if (this.#phase === 'done') return;
    this.#bodyEnded = true;
    this.#instanceBlocked = false;
    const now = this.#context.now();
    this.#lastActivity = now;
    if (this.#phase === 'sending') {
      this.#phase = 'waiting';
      this.#requestEndedAt = now;
    }
    this.#connection?.endBody(trailers);
  }

  instanceDrained(): void {
    if (!this.#instanceBlocked || this.#phase === 'done') return;
    this.#instanceBlocked = false;
    this.#lastActivity = this.#context.now();
    this.#windowAt = this.#lastActivity;
    this.#windowBytes = 0;
    this.#routed.client.resumeBody();
  }

  drained(): void {
    if (!this.#clientBlocked || this.#phase === 'done') return;
    this.#clientBlocked = false;
    this.#lastActivity = this.#context.now();
    if (this.#encoder === null) this.#connection?.resume();
    else this.#encoder.resume();
  }

  gone(): void {
    if (this.#phase === 'done') return;
    // Without an answer yet the time waited is counted: users who give up on a release that hangs are evidence.
    if (!this.#answerBegun) this.#latencyMs = this.#context.now() - this.#startedAt;
    if (this.#phase === 'queued') this.#routed.service.admission.forget(this);
    this.#choose();
    this.#stopInstance();
    this.#finish(this.#answerBegun ? this.#outcome() : 'ok');
  }

  // What the instance answers.

  interim(answer: ParsedAnswer): void {
    this.#lastActivity = this.#context.now();
    if (answer.status !== 103 || this.#answerBegun) return;
    const links: string[] = [];
    for (let i = 0; i < answer.names.length; i += 1) {
      if (answer.names[i] === 'link') links.push('link', answer.headers[2 * i + 1] ?? '');
    }
    if (links.length > 0) this.#routed.client.inform(103, links);
  }

  answerHead(answer: ParsedAnswer): void {
    const { request, client } = this.#routed;
    const now = this.#context.now();
    const { status, body } = answer;
    this.#lastActivity = now;
    // An answer to an unfinished upload is timed from the beginning of the request.
    this.#latencyMs = now - (this.#phase === 'sending' ? this.#startedAt : this.#requestEndedAt);
    this.#upstream?.watch.success();
    const head = readAnswerHead(answer);
    if (head.keepAlive !== null) this.#connection?.keepAliveSays(head.keepAlive);
    const withBody = body === null || body.kind !== 'none';
    const length = (withBody && body?.kind !== 'length') || status === 204 ? null : answer.announced;
    const eventStream = withBody && length === null && head.contentType?.startsWith('text/event-stream') === true;
    if (eventStream && !this.#becomeStream()) return;
    this.#phase = 'answering';
    this.#status = status;
    this.#answerBegun = true;
    // Where an event ends can only be seen in plain text; the gateway asks for that, an instance may disregard it.
    if (eventStream && (head.contentEncoding === null || head.contentEncoding === 'identity')) {
      this.#events = new EventBoundaryScanner();
    }
    this.#addOwnHeaders(head.headers);
    const encoder = this.#edgeAnswer(status, head.headers, length);
    client.begin(status, answer.reason, head.headers, encoder === null ? length : null, withBody);
    if (encoder !== null && withBody && request.method !== 'HEAD') this.#encodeWith(encoder);
    if (this.#isStream) this.#count(this.#outcome());
  }

  answerData(bytes: Buffer): void {
    if (this.#phase !== 'answering') return;
    this.#lastActivity = this.#context.now();
    if (this.#events !== null) this.#passEvents(this.#events, bytes);
    else this.#pass(bytes);
  }

  answerPause(): void {
    if (this.#phase === 'answering') this.#routed.client.flush?.();
  }

  answerEnd(trailers: readonly string[]): void {
    this.#connection = null;
    if (this.#phase === 'answering') this.#endAnswer(trailers);
  }

  #pass(bytes: Buffer): void {
    if (this.#encoder !== null) {
      // The encoder works later, in a thread of its own.
      if (!this.#encoder.write(Buffer.from(bytes))) this.#connection?.pause();
      return;
    }
    this.#bytesOut += bytes.length;
    if (this.#routed.client.write(bytes) || this.#clientBlocked) return;
    this.#clientBlocked = true;
    this.#connection?.pause();
  }

  #endAnswer(trailers: readonly string[]): void {
    if (this.#encoder === null) this.#close(trailers);
    else this.#encoder.end();
  }

  /** The answer is complete, and so is the exchange. */
  #close(trailers: readonly string[]): void {
    const { client } = this.#routed;
    this.#finish(this.#outcome());
    if (!client.bodyComplete) client.discardBody();
    client.end(trailers.length === 0 ? null : trailers);
  }

  #edgeAnswer(status: number, headers: string[], length: number | null): AnswerEncoder | null {
    const { service, side } = this.#routed;
    if (service.policy === null || side === 'internal') return null;
    return service.policy.answer(edgeRequestOf(this.#routed), status, headers, length);
  }

  #encodeWith(encoder: AnswerEncoder): void {
    const { client } = this.#routed;
    const { stream } = encoder;
    this.#encoder = stream;
    stream.on('data', (bytes: Buffer) => {
      if (this.#phase === 'done') return;
      this.#bytesOut += bytes.length;
      if (!client.write(bytes)) {
        this.#clientBlocked = true;
        stream.pause();
      }
      client.flush?.();
    });
    stream.on('drain', () => this.#connection?.resume());
    stream.once('end', () => {
      if (this.#phase !== 'done') this.#close([]);
    });
    stream.on('error', () => {
      if (this.#phase !== 'done') this.#cut();
    });
  }

  /** False when there are too many streams already; the client has been told. */
  #becomeStream(): boolean {
    const { service } = this.#routed;
    if (this.#isStream) return true;
    if (service.streams >= this.#context.limits.maxStreams) {
      this.#stopInstance();
      this.#refuse('too-many-streams', null);
      return false;
    }
    this.#isStream = true;
    service.streams += 1;
    this.#leaveAdmission();
    return true;
  }

  #addOwnHeaders(flat: string[]): void {
    const { requestId, hsts } = this.#routed;
    const chosen = this.#chosen;
    flat.push('x-request-id', requestId);
    if (chosen !== null) {
      const { slot } = chosen.choice;
      const release = chosen.entry.releases[this.#rescued ? otherSlot(slot) : slot];
      if (release !== null) flat.push('x-veza-release', release);
      if (chosen.setCookie !== null) flat.push('set-cookie', chosen.setCookie);
    }
    if (hsts !== null) flat.push('strict-transport-security', hsts);
  }

  #passEvents(events: EventBoundaryScanner, bytes: Buffer): void {
    if (!this.#told) {
      events.push(bytes);
      this.#pass(bytes);
      return;
    }
    const end = events.pushToBoundary(bytes);
    this.#pass(end === -1 ? bytes : bytes.subarray(0, end));
    if (end !== -1) this.#endEvents();
  }

  #endEvents(): void {
    this.#stopInstance();
    this.#endAnswer([]);
  }

  switched(answer: ParsedAnswer): void {
    const { request, client, service } = this.#routed;
    const connection = this.#connection;
    const upstream = this.#upstream;
    const entry = this.#chosen?.entry;
    if (request.upgrade === null || connection === null || upstream === null || entry === undefined) {
      this.#stopInstance();
      this.#refuse('instance-protocol', 'It switches to a protocol that nobody asked for.');
      return;
    }
    const now = this.#context.now();
    this.#latencyMs = now - this.#startedAt;
    upstream.watch.success();
    const { headers } = readAnswerHead(answer);
    this.#addOwnHeaders(headers);
    let text = 'HTTP/1.1 101 Switching Protocols\r\n';
    for (let i = 0; i + 1 < headers.length; i += 2) text += `${headers[i] ?? ''}: ${headers[i + 1] ?? ''}\r\n`;
    const { socket, head } = client.takeOver();
    socket.write(`${text}connection: Upgrade\r\nupgrade: ${request.upgrade}\r\n\r\n`, 'latin1');
    service.streams += 1;
    const tunnel = new Tunnel(
      socket,
      connection,
      request.upgrade.toLowerCase() === 'websocket',
      entry.proxy.idleTimeoutMs,
      this.#context,
      () => {
        service.streams -= 1;
        upstream.leave(tunnel);
      },
    );
    upstream.join(tunnel);
    connection.use(tunnel);
    this.#connection = null;
    this.#status = 101;
    this.#finish(this.#outcome());
    tunnel.start(head);
  }

  instanceEnded(): void {}

  broken(connection: InstanceConnection, fault: string | null): void {
    if (this.#phase === 'done' || connection !== this.#connection) return;
    const { service } = this.#routed;
    const upstream = this.#upstream;
    const now = this.#context.now();
    this.#connection = null;
    if (upstream === null) return;
    if (this.#phase === 'connecting') {
      upstream.refused(now);
      this.#failed(upstream, now);
      this.#tryElsewhere(upstream, now);
      return;
    }
    if (this.#answerBegun) {
      this.#failed(upstream, now);
      this.#cut();
      return;
    }
    // A kept connection may be closed at any time; that says nothing against the instance.
    const stale = connection.reused && !connection.answered && fault === null;
    if (!stale) this.#failed(upstream, now);
    const unsent = !connection.written;
    if (
      unsent ||
      (this.#repeatable && !connection.answered && !this.#context.closing && service.budget.withdraw(now))
    ) {
      this.#freshOnly = true;
      if (stale) this.#again(upstream, now);
      else this.#tryElsewhere(upstream, now);
      return;
    }
    if (fault === null) this.#refuse('instance-failed', null);
    else this.#refuse('instance-protocol', fault);
  }

  #failed(upstream: Upstream, now: number): void {
    const slot = this.#chosen?.choice.slot;
    if (slot === undefined) return;
    this.#routed.service.endpointFailed(upstream, this.#rescued ? otherSlot(slot) : slot, now);
  }

  #tryElsewhere(upstream: Upstream, now: number): void {
    (this.#tried ??= []).push(upstream);
    this.#again(upstream, now);
  }

  #again(upstream: Upstream, now: number): void {
    upstream.leave(this);
    this.#upstream = null;
    this.#attempt(now);
  }

  // What the gateway asks for.

  tell(_reason: EndReason): void {
    if (this.#phase !== 'answering' || this.#events === null || this.#told) return;
    this.#told = true;
    if (this.#events.atBoundary) this.#endEvents();
  }

  reset(): void {
    const upstream = this.#upstream;
    if (this.#phase === 'done') return;
    if (this.#answerBegun || upstream === null) {
      this.#cut();
      return;
    }
    this.#stopInstance();
    const now = this.#context.now();
    if (this.#repeatable && !this.#context.closing && this.#routed.service.budget.withdraw(now)) {
      this.#tryElsewhere(upstream, now);
    } else {
      this.#refuse('response-timeout', null);
    }
  }

  sweep(now: number): void {
    const entry = this.#chosen?.entry;
    if (entry === undefined) return;
    const { responseTimeoutMs, idleTimeoutMs } = entry.proxy;
    switch (this.#phase) {
      case 'connecting':
        if (now - this.#lastActivity > this.#context.limits.connectTimeoutMs) this.#connectTimedOut(now);
        return;
      case 'sending':
        if (now - this.#lastActivity > idleTimeoutMs) {
          this.#timeOut(this.#instanceBlocked ? 'response-timeout' : 'request-timeout');
        } else {
          this.#sweepRate(now);
        }
        return;
      case 'waiting':
        if (now - this.#requestEndedAt > responseTimeoutMs) this.#timeOut('response-timeout');
        return;
      case 'answering':
        if (now - this.#lastActivity <= idleTimeoutMs) return;
        // A silent event stream ends as a told one does; the client comes back.
        this.tell('drain');
        // A client that stopped reading is no error of the arm; an instance that stopped sending is.
        if (this.#phase === 'answering') this.#cut(this.#clientBlocked ? this.#outcome() : 'gateway-error');
        return;
      case 'queued':
      case 'done':
    }
  }

  #connectTimedOut(now: number): void {
    const upstream = this.#upstream;
    this.#stopInstance();
    if (upstream === null) return;
    upstream.refused(now);
    this.#failed(upstream, now);
    this.#tryElsewhere(upstream, now);
  }

  /** A body that trickles would hold its instance for ever. */
  #sweepRate(now: number): void {
    const { bodyWindowMs, minBodyBytesPerSecond } = this.#context.limits;
    if (this.#instanceBlocked || now - this.#windowAt < bodyWindowMs) return;
    const enough = (minBodyBytesPerSecond * (now - this.#windowAt)) / 1_000;
    if (this.#windowBytes < enough) this.#timeOut('request-timeout');
    this.#windowAt = now;
    this.#windowBytes = 0;
  }

  #timeOut(code: ProblemCode): void {
    const upstream = this.#upstream;
    if (upstream !== null && code === 'response-timeout') this.#failed(upstream, this.#context.now());
    this.#stopInstance();
    this.#refuse(code, null);
  }

  /** Breaks off an answer that cannot be completed, so that the client sees that it is incomplete. */
  #cut(outcome: Outcome = 'gateway-error'): void {
    if (!this.#answerBegun) this.#latencyMs = this.#context.now() - this.#startedAt;
    this.#stopInstance();
    this.#finish(outcome);
    this.#routed.client.cut();
  }

  /** The gateway's own answer. */
  #refuse(code: ProblemCode, detail: string | null): void {
    if (this.#answerBegun) {
      this.#cut();
      return;
    }
    const { client, request, requestId, hsts } = this.#routed;
    this.#choose();
    this.#latencyMs = this.#context.now() - this.#startedAt;
    const { status } = problems[code];
    this.#status = status;
    this.#code = code;
    this.#finish(status < 500 ? 'client-error' : 'gateway-error');
    const headers: string[] = [];
    const setCookie = this.#chosen?.setCookie ?? null;
    if (setCookie !== null) headers.push('set-cookie', setCookie);
    if (hsts !== null) headers.push('strict-transport-security', hsts);
    // Without 100 Continue nobody knows whether the body still comes.
    if (request.expectsContinue || code === 'request-timeout') client.closeAfter();
    answerWithProblem(client, code, detail, requestId, headers, request.method !== 'HEAD');
  }

  #stopInstance(): void {
    const connection = this.#connection;
    this.#connection = null;
    connection?.discard();
  }

  /** How the answer of an instance counts. The chosen arm is charged when the other slot had to answer for it. */
  #outcome(): Outcome {
    if (this.#rescued) return 'gateway-error';
    if (this.#status >= 500) return 'server-error';
    return this.#status >= 400 ? 'client-error' : 'ok';
  }

  #count(outcome: Outcome): void {
    const { service, head } = this.#routed;
    if (head.preview || this.#counted || this.#chosen === null) return;
    this.#counted = true;
    service.counters.record(this.#context.second(), this.#chosen.choice.arm, outcome, this.#latencyMs);
  }

  #finish(outcome: Outcome): void {
    if (this.#phase === 'done') return;
    this.#phase = 'done';
    this.#count(outcome);
    this.#encoder?.destroy();
    const upstream = this.#upstream;
    this.#upstream = null;
    upstream?.leave(this);
    if (this.#isStream) this.#routed.service.streams -= 1;
    if (this.#context.accessLog !== null) this.#record();
    this.#leaveAdmission();
  }

  #leaveAdmission(): void {
    if (!this.#inside) return;
    this.#inside = false;
    this.#routed.service.leave(this.#context.now());
  }

  #record(): void {
    const { service, request, path, client, requestId } = this.#routed;
    const chosen = this.#chosen;
    this.#context.accessLog?.record({
      at: this.#context.wall(),
      service: service.name,
      arm: chosen?.choice.arm ?? null,
      release: chosen?.entry.releases[chosen.choice.slot] ?? null,
      method: request.method,
      path,
      routePaths: chosen?.entry.public?.paths ?? [],
      status: this.#status,
      code: this.#code,
      latencyMs: this.#status === 0 ? null : this.#latencyMs,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      protocol: request.version === '2' ? 'HTTP/2' : request.version === '1.1' ? 'HTTP/1.1' : 'HTTP/1.0',
      tls: client.secure ? 'TLS' : null,
      requestId,
      clientAddress: client.remoteAddress,
      userAgent: userAgentOf(request),
    });
  }
}

const userAgentOf = (request: RoutedRequest['request']): string | null => {
  const at = request.names.indexOf('user-agent');
  return at === -1 ? null : (request.headers[2 * at + 1] ?? null);
};

/** What a policy may look at. */
export const edgeRequestOf = ({ request, client, head, host, path }: RoutedRequest): EdgeRequest => ({
  method: request.method,
  host,
  path,
  secure: client.secure,
  clientAddress: client.remoteAddress,
  acceptEncoding: head.acceptEncoding,
  accept: head.accept,
});
