import type { MirroredAnswer } from '../../core/mirror-counts.ts';
import type { Outcome } from '../counters.ts';
import type { ParsedAnswer } from '../http1/message.ts';
import { ObservedBody, type BodyMemory } from './observed-body.ts';

export interface PairOwner {
  /** Both answers are known. */
  compare(pair: Pair, stable: MirroredAnswer, candidate: MirroredAnswer): void;
  /** The copy is not needed any more: the client has gone before there was an answer to compare with. */
  abandoned(pair: Pair): void;
}

/** A request and its copy, until both answers are known. Nothing here holds the client's answer up: bytes are only looked at. */
export class Pair {
  readonly method: string;
  readonly path: string;
  readonly stableBody: ObservedBody;
  readonly candidateBody: ObservedBody;
  readonly #owner: PairOwner;
  #stable: MirroredAnswer | null = null;
  #stableAnswered = false;
  #candidate: MirroredAnswer | null = null;
  #over = false;

  constructor(owner: PairOwner, method: string, path: string, memory: BodyMemory | null) {
    this.#owner = owner;
    this.method = method;
    this.path = path;
    this.stableBody = new ObservedBody(memory);
    this.candidateBody = new ObservedBody(memory);
  }

  /** The client has the beginning of an answer. */
  get stableAnswered(): boolean {
    return this.#stableAnswered;
  }

  stableHead(answer: ParsedAnswer): void {
    if (this.#over) return;
    this.#stableAnswered = true;
    this.stableBody.begin(answer);
  }

  stableData(bytes: Buffer): void {
    if (!this.#over) this.stableBody.data(bytes);
  }

  /** The request has ended as it is counted. */
  stableEnded(outcome: Outcome, status: number, latencyMs: number): void {
    if (this.#over || this.#stable !== null) return;
    if (outcome === 'ok' && status === 0) {
      this.#owner.abandoned(this);
      this.stop();
      return;
    }
    const lost = outcome === 'gateway-error';
    this.#stableAnswered = true;
    this.#stable = { status: lost ? 0 : status, latencyMs, bytes: lost ? null : this.stableBody.size };
    this.#settle();
  }

  /** @param status 0: no answer, or not to the end */
  candidateEnded(status: number, latencyMs: number): void {
    if (this.#over || this.#candidate !== null) return;
    this.#candidate = { status, latencyMs, bytes: status === 0 ? null : this.candidateBody.size };
    this.#settle();
  }

  /** Nothing will be compared. */
  stop(): void {
    this.#over = true;
    this.stableBody.drop();
    this.candidateBody.drop();
  }

  #settle(): void {
    if (this.#stable === null || this.#candidate === null) return;
    this.#over = true;
    this.#owner.compare(this, this.#stable, this.#candidate);
  }
}
