import type { BodyLength } from '../client-request.ts';
import type { InstanceConnection, InstanceUser } from '../http1/instance-connection.ts';
import type { ParsedAnswer } from '../http1/message.ts';
import type { Upstream } from '../upstream.ts';
import type { Pair } from './pair.ts';

/** Bytes of an answer behind which nobody wants to know more: the rest is not read. */
const mostBytes = 262_144;

const noBody: BodyLength = { kind: 'none' };

export interface CopyOwner {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Takes from what may be read of all copies at the moment; false when that is used up. */
  mayRead(bytes: number): boolean;
  /** Nothing of it is in flight any more. */
  left(copy: Copy): void;
  /** It says nothing about the candidate. */
  givenUp(copy: Copy): void;
}

export interface CopyDeadlines {
  readonly connectMs: number;
  /** That the service has for an answer. */
  readonly responseMs: number;
  /** For everything. */
  readonly totalMs: number;
}

/** A copy of a request on its way to the candidate. Sent once; its answer is read as far as it is compared, and thrown away. */
export class Copy implements InstanceUser {
  readonly pair: Pair;
  readonly upstream: Upstream;
  readonly #owner: CopyOwner;
  readonly #head: string;
  readonly #deadlines: CopyDeadlines;
  readonly #startedAt: number;
  #connection: InstanceConnection | null = null;
  #connecting = false;
  #status = 0;
  #latencyMs = 0;
  #paused = false;
  #over = false;

  constructor(owner: CopyOwner, pair: Pair, upstream: Upstream, head: string, deadlines: CopyDeadlines) {
    this.#owner = owner;
    this.pair = pair;
    this.upstream = upstream;
    this.#head = head;
    this.#deadlines = deadlines;
    this.#startedAt = owner.now();
  }

  start(): void {
    // As a request that must not be sent twice: never on a connection that the instance may just be closing.
    const kept = this.upstream.takeIdle(false, this.#startedAt);
    if (kept !== null) {
      this.#send(kept);
      return;
    }
    this.#connecting = true;
    this.#connection = this.upstream.connect(this);
  }

  connected(connection: InstanceConnection): void {
    if (this.#over) connection.discard();
    else this.#send(connection);
  }

  #send(connection: InstanceConnection): void {
    this.#connecting = false;
    this.#connection = connection;
    connection.send(this, this.pair.method, this.#head, noBody, true);
    connection.flush();
  }

  interim(): void {}

  answerHead(answer: ParsedAnswer): void {
    if (this.#over) return;
    this.#status = answer.status;
    this.#latencyMs = this.#owner.now() - this.#startedAt;
    this.pair.candidateBody.begin(answer);
    const endless = answer.contentType?.startsWith('text/event-stream') === true;
    const known = answer.announced !== null && answer.announced > mostBytes;
    if (answer.body?.kind !== 'none' && (endless || known)) this.#enough();
  }

  answerData(bytes: Buffer): void {
    if (this.#over) return;
    this.pair.candidateBody.data(bytes);
    if (this.pair.candidateBody.bytes > mostBytes) {
      this.#enough();
    } else if (!this.#owner.mayRead(bytes.length) && !this.#paused) {
      this.#paused = true;
      this.#connection?.pause();
    }
  }

  answerPause(): void {}

  answerEnd(): void {
    if (this.#over) return;
    this.#connection = null;
    this.pair.candidateBody.end();
    this.#leave();
    this.pair.candidateEnded(this.#status, this.#latencyMs);
  }

  switched(): void {
    this.#lost();
  }

  instanceEnded(): void {}
  instanceDrained(): void {}

  broken(connection: InstanceConnection, fault: string | null): void {
    if (this.#over) return;
    this.#connection = null;
    if (connection.reused && !connection.answered && fault === null) this.giveUp();
    else this.#lost();
  }

  /** There is time and room again. Ends it when its time is over. */
  sweep(now: number): void {
    if (this.#over) return;
    if (this.#paused) {
      this.#paused = false;
      this.#connection?.resume();
    }
    const passed = now - this.#startedAt;
    const { connectMs, responseMs, totalMs } = this.#deadlines;
    if (this.#status !== 0) {
      if (passed > totalMs) this.#enough();
    } else if (passed > (this.#connecting ? Math.min(connectMs, responseMs) : responseMs)) {
      this.#lost();
    } else if (passed > totalMs) {
      // The service may take longer; that says something only when stable did not need to.
      if (this.pair.stableAnswered) this.#lost();
      else this.giveUp();
    }
  }

  /** Ends it, and nothing is compared. */
  giveUp(): void {
    if (this.#over) return;
    this.cancel();
    this.#owner.givenUp(this);
  }

  /** Ends it; nobody is told. */
  cancel(): void {
    if (this.#over) return;
    this.#leave();
    this.pair.stop();
  }

  /** What has come is enough to compare by. What the system holds of the rest is thrown away, which costs as much as reading it. */
  #enough(): void {
    this.#owner.mayRead(mostBytes);
    this.#leave();
    this.pair.candidateEnded(this.#status, this.#latencyMs);
  }

  #lost(): void {
    if (this.#over) return;
    if (this.#status === 0) this.#latencyMs = this.#owner.now() - this.#startedAt;
    this.#leave();
    this.pair.candidateEnded(0, this.#latencyMs);
  }

  #leave(): void {
    this.#over = true;
    this.#connection?.discard();
    this.#connection = null;
    this.#owner.left(this);
  }
}
