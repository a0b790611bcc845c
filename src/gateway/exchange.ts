import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import { otherSlot } from '../core/slot.ts';
import { AnswerBody } from './answer-body.ts';
import type { Outcome } from './counters.ts';
import type { EndReason, Flight } from './flight.ts';
import { problemDocument, problems, type ProblemCode } from './problem.ts';
import { discardRest, RequestBody } from './request-body.ts';
import { answerHeaders } from './request-head.ts';
import type { ExchangeContext, RoutedRequest } from './routed-request.ts';
import { discard, type Connection, type Upstream } from './upstream.ts';

/** Methods that may be sent twice (RFC 9110, 9.2.2). */
const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
const maxAttempts = 6;

type Phase = 'connecting' | 'sending' | 'waiting' | 'answering' | 'done';

/**
 * One request on its way to an instance and its answer on the way back, streamed both ways.
 *
 * It is tried again only while the instance cannot have acted on it: no connection, nothing written yet, or (idempotent
 * and without body) a kept connection that the instance closed without a byte of answer. Anything else that goes wrong
 * is told to the client: with a problem document, or, once the answer has begun, by breaking it off.
 */
export class Exchange implements Flight, Dispatcher.DispatchHandler {
  readonly #context: ExchangeContext;
  readonly #routed: RoutedRequest;
  readonly #startedAt: number;
  readonly #repeatable: boolean;
  readonly #hasBody: boolean;
  readonly #tried = new Set<Upstream>();
  #attempts = 0;
  #phase: Phase = 'connecting';
  #upstream: Upstream | null = null;
  #connection: Connection | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  #body: RequestBody | null = null;
  #freshOnly: boolean;
  /** The chosen slot could not serve it, the other did. */
  #rescued = false;
  #sent = false;
  #answerBegun = false;
  #requestEndedAt: number;
  #lastActivity: number;
  #latencyMs = 0;
  #status = 0;
  #keepAlive: string | null = null;
  #answer: AnswerBody | null = null;
  #isStream: boolean;
  #countedAlready = false;

  constructor(context: ExchangeContext, routed: RoutedRequest) {
    this.#context = context;
    this.#routed = routed;
    this.#hasBody = routed.upgrade === null && (routed.chunked || (routed.contentLength ?? 0) > 0);
    this.#repeatable = !this.#hasBody && idempotentMethods.has(routed.request.method ?? '');
    this.#freshOnly = routed.upgrade !== null;
    this.#isStream = routed.upgrade !== null;
    this.#startedAt = context.now();
    this.#requestEndedAt = this.#startedAt;
    this.#lastActivity = this.#startedAt;
  }

  get isStream(): boolean {
    return this.#isStream;
  }

  get waiting(): Flight['waiting'] {
    const { choice, counted } = this.#routed;
    const waits = counted && (this.#phase === 'waiting' || this.#phase === 'connecting');
    return waits ? { arm: choice.arm, since: this.#requestEndedAt } : null;
  }

  start(): void {
    const { service, entry, response, contentLength } = this.#routed;
    const { limits } = this.#context;
    response.on('error', noop);
    response.once('close', this.#clientGone);
    if (this.#isStream) service.streams += 1;
    else service.requests += 1;
    const { maxBodyBytes } = entry.proxy;
    if (this.#isStream ? service.streams > limits.maxStreams : service.requests > limits.maxInFlight) {
      this.#refuse(this.#isStream ? 'too-many-streams' : 'overloaded', null);
    } else if (maxBodyBytes !== null && contentLength !== null && contentLength > maxBodyBytes) {
      this.#refuse('body-too-large', `The limit is ${maxBodyBytes} bytes.`);
    } else {
      this.#attempt();
    }
  }

  #attempt(): void {
    const now = this.#context.now();
    const upstream = this.#attempts < maxAttempts ? this.#pick(now) : null;
    this.#attempts += 1;
    if (upstream === null) {
      this.#refuse(this.#attempts === 1 ? 'no-endpoint' : 'connect-failed', null);
      return;
    }
    this.#phase = 'connecting';
    this.#tried.add(upstream);
    this.#upstream = upstream;
    upstream.join(this);
    const connection = this.#freshOnly ? null : upstream.takeIdle(this.#repeatable ? 'any' : 'recent', now);
    if (connection !== null) {
      this.#dispatch(connection);
      return;
    }
    upstream.connect(now, (opened) => {
      const later = this.#context.now();
      if (this.#phase === 'done') {
        if (opened !== null) discard(opened);
      } else if (opened !== null) {
        this.#dispatch(opened);
      } else {
        upstream.refused(later);
        upstream.leave(this);
        this.#attempt();
      }
    });
  }

  /** An endpoint of the chosen slot, or, when none of them could be reached, one of the other if it may have traffic. */
  #pick(now: number): Upstream | null {
    const { service, choice } = this.#routed;
    const own = service.pick(choice.slot, this.#tried, now);
    if (own !== null) return own;
    const entry = service.inForce?.entry;
    const rescue = otherSlot(choice.slot);
    if (entry === undefined || (rescue !== entry.stable && entry.candidateWeight <= 0)) return null;
    const other = service.pick(rescue, this.#tried, now);
    if (other !== null) this.#rescued = true;
    return other;
  }

  #dispatch(connection: Connection): void {
    const { request, entry, headers, path, upgrade, expectsContinue, response } = this.#routed;
    this.#connection = connection;
    this.#sent = false;
    this.#answerBegun = false;
    this.#lastActivity = this.#context.now();
    this.#phase = this.#hasBody ? 'sending' : 'waiting';
    if (!this.#hasBody) this.#requestEndedAt = this.#lastActivity;
    if (this.#hasBody) {
      this.#body = new RequestBody(request, entry.proxy.maxBodyBytes, {
        start: () => {
          if (expectsContinue && !response.headersSent) response.writeContinue();
        },
        bytes: () => {
          this.#lastActivity = this.#context.now();
          if (this.#body?.complete !== true || this.#phase !== 'sending') return;
          this.#phase = 'waiting';
          this.#requestEndedAt = this.#lastActivity;
        },
        tooLarge: () => {
          if (response.headersSent) {
            this.#cut();
            return;
          }
          this.#stopInstance();
          this.#refuse('body-too-large', `The limit is ${entry.proxy.maxBodyBytes} bytes.`);
        },
      });
    }
    connection.client.dispatch(
      {
        path,
        method: request.method ?? 'GET',
        headers: headers as string[],
        body: this.#body,
        upgrade: upgrade?.protocol ?? null,
      },
      this,
    );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#sent = true;
    if (this.#phase === 'done') controller.abort(new Error('no longer wanted'));
  }

  onResponseStarted(): void {
    this.#answerBegun = true;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
    statusMessage?: string,
  ): void {
    if (this.#phase === 'done') return;
    const { response, request } = this.#routed;
    const now = this.#context.now();
    this.#lastActivity = now;
    if (status < 200) {
      if (status === 103) this.#passEarlyHints(headers['link']);
      return;
    }
    // An answer to an unfinished upload is timed from the beginning of the request.
    this.#latencyMs = now - (this.#phase === 'sending' ? this.#startedAt : this.#requestEndedAt);
    this.#phase = 'answering';
    this.#status = status;
    this.#keepAlive = typeof headers['keep-alive'] === 'string' ? headers['keep-alive'] : null;
    const length = headers['content-length'];
    const hasBody = request.method !== 'HEAD';
    const type = headers['content-type'];
    const eventStream =
      hasBody && length === undefined && typeof type === 'string' && type.startsWith('text/event-stream');
    if (eventStream && !this.#becomeStream()) return;
    const encoding = headers['content-encoding'];
    const answer = new AnswerBody(response, controller, {
      announced: hasBody && typeof length === 'string' ? Number(length) : null,
      // Where an event ends can only be seen in plain text; the gateway asks for that, an instance may disregard it.
      readableEvents: eventStream && (encoding === undefined || encoding === 'identity'),
      onDrain: () => {
        this.#lastActivity = this.#context.now();
      },
      onEventsEnded: () => {
        this.#stopInstance();
        this.#finish('ok');
      },
    });
    this.#answer = answer;

    const flat = answerHeaders(headers);
    this.#addOwnHeaders(flat);
    if (headers['date'] !== undefined) response.sendDate = false;
    if (statusMessage === undefined || statusMessage === '') response.writeHead(status, flat);
    else response.writeHead(status, statusMessage, flat);
    if (this.#isStream) this.#count(this.#outcome());
    // Most answers bring their body in the same packet; the others must not wait for it.
    process.nextTick(() => {
      if (this.#phase === 'answering' && answer.headIsWaiting) response.flushHeaders();
    });
  }

  #passEarlyHints(link: string | string[] | undefined): void {
    const { response, request } = this.#routed;
    if (link === undefined || request.httpVersionMinor === 0) return;
    try {
      response.writeEarlyHints({ link });
    } catch {
      // Node refuses links that it cannot read. A hint is only a hint: the answer itself is still to come.
    }
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
    service.requests -= 1;
    service.streams += 1;
    this.#isStream = true;
    return true;
  }

  #addOwnHeaders(flat: string[]): void {
    const { requestId, setCookie, entry, choice } = this.#routed;
    const release = entry.releases[this.#rescued ? otherSlot(choice.slot) : choice.slot];
    flat.push('x-request-id', requestId);
    if (release !== null) flat.push('x-veza-release', release);
    if (setCookie !== null) flat.push('set-cookie', setCookie);
    if (this.#context.closing) flat.push('connection', 'close');
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#phase === 'done') return;
    this.#lastActivity = this.#context.now();
    this.#answer?.push(chunk);
  }

  onResponseEnd(
    _controller: Dispatcher.DispatchController,
    trailers: Record<string, string | string[] | undefined>,
  ): void {
    if (this.#phase === 'done') return;
    this.#answer?.end(trailers);
    const connection = this.#connection;
    const upstream = this.#upstream;
    const keepAlive = this.#keepAlive;
    this.#finish(this.#outcome());
    this.#afterAnswer();
    if (connection === null || upstream === null) return;
    // The client decides right after this call whether the connection goes on.
    queueMicrotask(() => upstream.release(connection, keepAlive, this.#context.now()));
  }

  onRequestUpgrade(
    _controller: Dispatcher.DispatchController,
    _status: number,
    headers: Record<string, string | string[] | undefined>,
    instance: Duplex,
  ): void {
    const { upgrade } = this.#routed;
    const upstream = this.#upstream;
    if (this.#phase === 'done' || upgrade === null || upstream === null) {
      instance.destroy();
      return;
    }
    this.#latencyMs = this.#context.now() - this.#startedAt;
    const flat = answerHeaders(headers);
    this.#addOwnHeaders(flat);
    upgrade.accept({ headers: flat, instance, upstream });
    this.#status = 101;
    this.#finish(this.#outcome());
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#phase === 'done') return;
    this.#body?.destroy();
    const bodyUntouched = !this.#sent;
    this.#body = null;
    if (this.#routed.response.headersSent) {
      this.#cut();
      return;
    }
    const reused = this.#connection?.reused === true;
    if (this.#connection !== null) discard(this.#connection);
    this.#connection = null;
    this.#controller = null;
    const stale = reused && !this.#answerBegun && this.#repeatable;
    if ('code' in error && error.code === 'UND_ERR_INVALID_ARG') {
      this.#refuse('bad-request', error.message);
    } else if (bodyUntouched || stale) {
      if (this.#upstream !== null) {
        this.#upstream.leave(this);
        this.#tried.delete(this.#upstream);
      }
      this.#freshOnly = true;
      this.#attempt();
    } else {
      this.#refuse('instance-failed', null);
    }
  }

  tell(_reason: EndReason): void {
    if (this.#phase === 'answering') this.#answer?.tell();
  }

  reset(): void {
    if (this.#phase === 'done') return;
    this.#cut();
  }

  sweep(now: number): void {
    const { responseTimeoutMs, idleTimeoutMs } = this.#routed.entry.proxy;
    switch (this.#phase) {
      case 'sending':
        if (now - this.#lastActivity <= idleTimeoutMs) return;
        this.#timeOut(this.#body?.blocked === true ? 'response-timeout' : 'request-timeout');
        return;
      case 'waiting':
        if (now - this.#requestEndedAt > responseTimeoutMs) this.#timeOut('response-timeout');
        return;
      case 'answering':
        if (now - this.#lastActivity <= idleTimeoutMs) return;
        // A silent event stream ends as a told one does; the client comes back.
        if (this.#isStream) this.#answer?.tell();
        // A client that stopped reading is no error of the arm; an instance that stopped sending is.
        if (this.#answer?.blocked === true) this.#routed.response.destroy();
        else if (this.#phase === 'answering') this.#cut();
        return;
      case 'connecting':
      case 'done':
    }
  }

  #timeOut(code: ProblemCode): void {
    this.#stopInstance();
    if (this.#routed.response.headersSent) this.#cut();
    else this.#refuse(code, null);
  }

  /** Breaks off an answer that cannot be completed, so that the client sees that it is incomplete. */
  #cut(): void {
    this.#latencyMs = this.#phase === 'answering' ? this.#latencyMs : this.#context.now() - this.#startedAt;
    const { response } = this.#routed;
    const { socket } = response;
    this.#finish('gateway-error');
    this.#stopInstance();
    // A reset, not an orderly end: an answer without a length would look complete.
    if (socket !== null) socket.resetAndDestroy();
    else response.destroy();
  }

  /** The gateway's own answer. */
  #refuse(code: ProblemCode, detail: string | null): void {
    const { response, requestId, expectsContinue, setCookie } = this.#routed;
    const { status, retryAfter } = problems[code];
    this.#latencyMs = this.#context.now() - this.#startedAt;
    this.#finish(status < 500 ? 'client-error' : 'gateway-error');
    const body = Buffer.from(problemDocument(code, detail, requestId));
    const flat = ['content-type', 'application/problem+json', 'content-length', String(body.length)];
    flat.push('cache-control', 'no-store', 'x-veza-error', code, 'x-request-id', requestId);
    if (retryAfter !== null) flat.push('retry-after', String(retryAfter));
    if (setCookie !== null) flat.push('set-cookie', setCookie);
    // Without 100 Continue nobody knows whether the body still comes.
    if (this.#context.closing || expectsContinue || code === 'request-timeout') flat.push('connection', 'close');
    response.writeHead(status, flat);
    response.end(body);
    this.#afterAnswer();
  }

  /** The answer is on its way out: takes care of what the client still sends, and of a client that does not read. */
  #afterAnswer(): void {
    const { request, response, entry } = this.#routed;
    this.#body?.destroy();
    if (this.#hasBody) discardRest(request);
    if (response.writableLength === 0) return;
    response.socket?.setTimeout(Math.max(1, entry.proxy.idleTimeoutMs));
    this.#context.linger(response);
  }

  readonly #clientGone = (): void => {
    if (this.#phase === 'done') return;
    // Without an answer yet the time waited is counted: users who give up on a release that hangs are evidence.
    if (this.#phase !== 'answering') this.#latencyMs = this.#context.now() - this.#startedAt;
    this.#finish(this.#phase === 'answering' ? this.#outcome() : 'ok');
    this.#stopInstance();
  };

  #stopInstance(): void {
    this.#body?.destroy();
    this.#body = null;
    const controller = this.#controller;
    this.#controller = null;
    const before = this.#phase;
    // The abort is reported back at once; it is not a failure of the instance.
    this.#phase = 'done';
    controller?.abort(new Error('no longer wanted'));
    this.#phase = before;
    if (this.#connection !== null) discard(this.#connection);
    this.#connection = null;
  }

  /** How the answer of an instance counts. The chosen arm is charged when the other slot had to answer for it. */
  #outcome(): Outcome {
    if (this.#rescued) return 'gateway-error';
    if (this.#status >= 500) return 'server-error';
    return this.#status >= 400 ? 'client-error' : 'ok';
  }

  #count(outcome: Outcome): void {
    const { service, choice, counted } = this.#routed;
    if (!counted || this.#countedAlready) return;
    this.#countedAlready = true;
    service.counters.record(this.#context.second(), choice.arm, outcome, this.#latencyMs);
  }

  #finish(outcome: Outcome): void {
    if (this.#phase === 'done') return;
    this.#phase = 'done';
    this.#count(outcome);
    const { service } = this.#routed;
    if (this.#isStream) service.streams -= 1;
    else service.requests -= 1;
    this.#upstream?.leave(this);
  }
}

const noop = (): void => {};
