import { recordOf, type Ended } from './access-record.ts';
import { AnswerBody, type AnswerOwner } from './answer-body.ts';
import { Attempts } from './attempts.ts';
import type { RouteTableEntry } from '../core/route-table.ts';
import type { ClientStreamEvents } from './client-stream.ts';
import type { Outcome } from './counters.ts';
import type { EndReason, Flight } from './flight.ts';
import type { ParsedAnswer } from './http1/message.ts';
import type { InstanceConnection, InstanceUser } from './http1/instance-connection.ts';
import { beginCopy } from './mirror/begin-copy.ts';
import type { Pair } from './mirror/pair.ts';
import { answeredRequest, answerInstead, beginAnswer, chooseArm, instanceHead, natureOf } from './outgoing.ts';
import type { Chosen } from './pick-arm.ts';
import { problems, type ProblemCode } from './problem.ts';
import { linksOf } from './request-head.ts';
import { isRepeatable, type ExchangeContext, type RoutedRequest } from './routed-request.ts';
import type { Waiter } from './service-state.ts';
import { openTunnel } from './open-tunnel.ts';
import { Upload } from './upload.ts';
import type { Upstream } from './upstream.ts';

type Phase = 'queued' | 'connecting' | 'sending' | 'waiting' | 'answering' | 'done';

/**
 * One request on its way to an instance and its answer on the way back, streamed both ways.
 *
 * It is tried again only while the instance cannot have acted on it: no connection, nothing written yet; or, within the
 * budget, when it is idempotent and without body and the connection ended without a byte of answer. Anything else that
 * goes wrong is told to the client: with a problem document, or, once the answer has begun, by breaking it off.
 */
export class Exchange implements Flight, Waiter, InstanceUser, ClientStreamEvents, AnswerOwner {
  previous: Flight | null = null;
  following: Flight | null = null;
  readonly #context: ExchangeContext;
  readonly #routed: RoutedRequest;
  readonly #startedAt: number;
  readonly #repeatable: boolean;
  #isStream: boolean;
  /** Counted as inside by the service's admission. */
  #inside = false;
  #chosen: Chosen | null = null;
  #attempts: Attempts | null = null;
  readonly #upload: Upload;
  #head = '';
  #phase: Phase = 'queued';
  #upstream: Upstream | null = null;
  #connection: InstanceConnection | null = null;
  #freshOnly: boolean;
  #answerBegun = false;
  #requestEndedAt: number;
  #lastActivity: number;
  #latencyMs = 0;
  #status = 0;
  #code: ProblemCode | null = null;
  /** What to say when no instance is left to try. */
  #exhausted: ProblemCode = 'no-endpoint';
  #answer: AnswerBody | null = null;
  /** Compares what comes with what the candidate says; null when the request was not copied. */
  #pair: Pair | null = null;
  #counted = false;

  constructor(context: ExchangeContext, routed: RoutedRequest) {
    const { request } = routed;
    this.#context = context;
    this.#routed = routed;
    this.#upload = new Upload(request.body);
    this.#repeatable = isRepeatable(request);
    this.#freshOnly = request.upgrade !== null;
    this.#isStream = request.upgrade !== null;
    const now = context.now();
    this.#startedAt = now;
    this.#requestEndedAt = now;
    this.#lastActivity = now;
    routed.client.events = this;
  }

  get isStream(): boolean {
    return this.#isStream;
  }

  get waiting(): Flight['waiting'] {
    const { preview, copy } = this.#routed.head;
    const waits = !preview && !copy && (this.#phase === 'waiting' || this.#phase === 'connecting');
    return waits && this.#chosen !== null ? { arm: this.#chosen.choice.arm, since: this.#requestEndedAt } : null;
  }

  start(): void {
    const { service } = this.#routed;
    if (this.#isStream) {
      service.streams += 1;
      if (service.streams > this.#context.limits.maxStreams) this.#refuse('too-many-streams', null);
      else this.#begin();
    } else if (service.admission.tryEnter()) {
      this.admitted();
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
      this.#attempts = new Attempts(service, this.#chosen);
    }
    return this.#chosen?.entry ?? null;
  }

  #attempt(now: number): void {
    const upstream = this.#attempts?.next(now) ?? null;
    if (upstream === null) {
      this.#refuse(this.#exhausted, null);
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

  connected(connection: InstanceConnection): void {
    if (this.#phase !== 'connecting') return;
    this.#upstream?.accepted();
    this.#dispatch(connection, this.#context.now());
  }

  #dispatch(connection: InstanceConnection, now: number): void {
    const { request, client } = this.#routed;
    this.#connection = connection;
    this.#lastActivity = now;
    this.#phase = this.#upload.ended ? 'waiting' : 'sending';
    const first = this.#head === '';
    if (first && this.#chosen !== null) this.#head = instanceHead(this.#routed, this.#chosen.choice);
    connection.send(this, request.method, this.#head, request.body, request.upgrade === null);
    if (this.#upload.expected) {
      this.#upload.measureFrom(now);
      if (request.expectsContinue) client.inform(100, []);
      client.resumeBody();
      // What came with the head has been put behind it, and may have been wrong.
      if (this.#connection !== connection) return;
    }
    connection.flush();
    if (first && this.#routed.service.mirror !== null && this.#chosen !== null && this.#attempts?.rescued === false)
      this.#pair = beginCopy(this.#routed, this.#chosen);
  }

  bodyData(bytes: Buffer): void {
    const connection = this.#connection;
    if (this.#phase === 'done' || connection === null) return;
    this.#upload.came(bytes.length);
    this.#lastActivity = this.#context.recent();
    const maxBodyBytes = this.#chosen?.entry.proxy.maxBodyBytes ?? null;
    if (maxBodyBytes !== null && this.#upload.bytes > maxBodyBytes) {
      this.#refuse('body-too-large', `The limit is ${maxBodyBytes} bytes.`);
    } else if (!connection.writeBody(bytes)) {
      this.#upload.blocked = true;
      this.#routed.client.pauseBody();
    }
  }

  bodyEnd(trailers: readonly string[]): void {
    if (this.#phase === 'done') return;
    this.#upload.ended = true;
    this.#upload.blocked = false;
    this.#lastActivity = this.#context.now();
    if (this.#phase === 'sending') {
      this.#phase = 'waiting';
      this.#requestEndedAt = this.#lastActivity;
    }
    this.#connection?.endBody(trailers);
  }

  instanceDrained(): void {
    if (!this.#upload.blocked || this.#phase === 'done') return;
    this.#upload.blocked = false;
    this.#lastActivity = this.#context.now();
    this.#upload.measureFrom(this.#lastActivity);
    this.#routed.client.resumeBody();
  }

  drained(): void {
    if (this.#answer?.blocked !== true || this.#phase === 'done') return;
    this.#lastActivity = this.#context.now();
    this.#answer.drained();
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

  interim(answer: ParsedAnswer): void {
    this.#lastActivity = this.#context.now();
    if (answer.status !== 103 || this.#answerBegun) return;
    const links = linksOf(answer);
    if (links.length > 0) this.#routed.client.inform(103, links);
  }

  answerHead(answer: ParsedAnswer): void {
    const { client } = this.#routed;
    const now = this.#context.now();
    this.#lastActivity = now;
    // An answer to an unfinished upload is timed from the beginning of the request.
    this.#latencyMs = now - (this.#phase === 'sending' ? this.#startedAt : this.#requestEndedAt);
    this.#upstream?.watch.success();
    const { withBody, length, eventStream, readable } = natureOf(answer);
    if (eventStream && !this.#becomeStream()) return;
    this.#phase = 'answering';
    this.#status = answer.status;
    this.#answerBegun = true;
    this.#pair?.stableHead(answer);
    const rescued = this.#attempts?.rescued === true;
    const encoder = beginAnswer(this.#routed, this.#chosen, rescued, answer, length, withBody);
    this.#answer = new AnswerBody(client, this, readable, withBody ? encoder : null);
    if (this.#isStream) this.#count(this.#outcome());
  }

  answerData(bytes: Buffer): void {
    if (this.#phase !== 'answering') return;
    this.#lastActivity = this.#context.recent();
    this.#answer?.push(bytes);
    if (this.#pair !== null) this.#pair.stableData(bytes);
  }

  answerPause(): void {
    if (this.#phase === 'answering') this.#routed.client.flush?.();
  }

  answerEnd(trailers: readonly string[]): void {
    this.#connection = null;
    this.#pair?.stableBody.end();
    if (this.#phase === 'answering') this.#answer?.end(trailers);
  }

  holdInstance(hold: boolean): void {
    if (hold) this.#connection?.pause();
    else this.#connection?.resume();
  }

  eventsEnded(): void {
    this.#stopInstance();
    this.#answer?.end([]);
  }

  /** The answer is complete, and so is the exchange. */
  written(trailers: readonly string[]): void {
    if (this.#phase === 'done') return;
    const { client } = this.#routed;
    this.#finish(this.#outcome());
    if (!client.bodyComplete) client.discardBody();
    client.end(trailers.length === 0 ? null : trailers);
  }

  encoderFailed(): void {
    if (this.#phase !== 'done') this.#cut();
  }

  /** False when there are too many streams already; the client has been told. */
  #becomeStream(): boolean {
    const { service } = this.#routed;
    if (this.#isStream) return true;
    if (service.streams >= this.#context.limits.maxStreams) {
      this.#refuse('too-many-streams', null);
      return false;
    }
    this.#isStream = true;
    service.streams += 1;
    this.#leaveAdmission();
    return true;
  }

  switched(answer: ParsedAnswer): void {
    const connection = this.#connection;
    const upstream = this.#upstream;
    if (this.#routed.request.upgrade === null || connection === null || upstream === null || this.#chosen === null) {
      this.#refuse('instance-protocol', 'It switches to a protocol that nobody asked for.');
      return;
    }
    this.#latencyMs = this.#context.now() - this.#startedAt;
    upstream.watch.success();
    this.#connection = null;
    this.#status = 101;
    const agreed = { answer, connection, upstream, rescued: this.#attempts?.rescued === true };
    openTunnel(this.#context, this.#routed, this.#chosen, agreed, () => this.#finish(this.#outcome()));
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
      this.#attempts?.failed(upstream, now);
      this.#tryAgain(upstream, now, 'connect-failed');
      return;
    }
    if (this.#answerBegun) {
      this.#attempts?.failed(upstream, now);
      this.#cut();
      return;
    }
    // A kept connection may be closed at any time; that says nothing against the instance.
    const stale = connection.reused && !connection.answered && fault === null;
    if (!stale) this.#attempts?.failed(upstream, now);
    const unsent = !connection.written;
    if (
      unsent ||
      (this.#repeatable && !connection.answered && !this.#context.closing && service.budget.withdraw(now))
    ) {
      this.#freshOnly = true;
      this.#tryAgain(upstream, now, fault === null ? 'instance-failed' : 'instance-protocol', stale);
      return;
    }
    if (fault === null) this.#refuse('instance-failed', null);
    else this.#refuse('instance-protocol', fault);
  }

  #tryAgain(upstream: Upstream, now: number, why: ProblemCode, samePlace = false): void {
    this.#exhausted = why;
    if (!samePlace) this.#attempts?.exclude(upstream);
    upstream.leave(this);
    this.#upstream = null;
    this.#attempt(now);
  }

  tell(_reason: EndReason): void {
    if (this.#phase === 'answering') this.#answer?.tell();
  }

  reset(): void {
    if (this.#phase === 'done') return;
    const upstream = this.#upstream;
    if (this.#answerBegun || upstream === null) {
      this.#cut();
      return;
    }
    this.#stopInstance();
    const now = this.#context.now();
    if (this.#repeatable && !this.#context.closing && this.#routed.service.budget.withdraw(now)) {
      this.#tryAgain(upstream, now, 'response-timeout');
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
        if (now - this.#lastActivity > this.#context.limits.connectTimeoutMs) this.#connection?.giveUp();
        return;
      case 'sending':
        if (now - this.#lastActivity > idleTimeoutMs) {
          this.#timeOut(this.#upload.blocked ? 'response-timeout' : 'request-timeout');
        } else if (this.#upload.tooSlow(now, this.#context.limits)) {
          this.#timeOut('request-timeout');
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
        if (this.#phase === 'answering') this.#cut(this.#answer?.blocked === true ? this.#outcome() : 'gateway-error');
        return;
      case 'queued':
      case 'done':
    }
  }

  #timeOut(code: ProblemCode): void {
    const upstream = this.#upstream;
    if (upstream !== null && code === 'response-timeout') this.#attempts?.failed(upstream, this.#context.now());
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
    this.#stopInstance();
    this.#choose();
    this.#latencyMs = this.#context.now() - this.#startedAt;
    this.#status = problems[code].status;
    this.#code = code;
    this.#finish(this.#status < 500 ? 'client-error' : 'gateway-error');
    answerInstead(this.#routed, this.#chosen, code, detail);
  }

  #stopInstance(): void {
    this.#connection?.discard();
    this.#connection = null;
  }

  /** How the answer of an instance counts. The chosen arm is charged when the other slot had to answer for it. */
  #outcome(): Outcome {
    if (this.#attempts?.rescued === true) return 'gateway-error';
    if (this.#status >= 500) return 'server-error';
    return this.#status >= 400 ? 'client-error' : 'ok';
  }

  #count(outcome: Outcome): void {
    const { service, head } = this.#routed;
    if (head.preview || head.copy || this.#counted || this.#chosen === null) return;
    this.#counted = true;
    const latencyMs = this.#latencyMs;
    const asked = this.#upstream?.endpoint.id ?? null;
    const request = service.compared ? answeredRequest(this.#routed, outcome, this.#status, latencyMs, asked) : null;
    service.counters.record(this.#context.second(), this.#chosen.choice.arm, outcome, latencyMs, request);
    this.#pair?.stableEnded(outcome, this.#status, latencyMs);
  }

  #finish(outcome: Outcome): void {
    if (this.#phase === 'done') return;
    this.#phase = 'done';
    this.#count(outcome);
    this.#answer?.stop();
    const upstream = this.#upstream;
    this.#upstream = null;
    upstream?.leave(this);
    if (this.#isStream) this.#routed.service.streams -= 1;
    this.#context.accessLog?.record(recordOf(this.#routed, this.#chosen, this.#ended()));
    this.#leaveAdmission();
  }

  #leaveAdmission(): void {
    if (!this.#inside) return;
    this.#inside = false;
    this.#routed.service.leave(this.#context.recent());
  }

  #ended(): Ended {
    return {
      at: this.#context.wall(),
      status: this.#status,
      code: this.#code,
      latencyMs: this.#status === 0 ? null : this.#latencyMs,
      bytesIn: this.#upload.bytes,
      bytesOut: this.#answer?.bytes ?? 0,
    };
  }
}
