interface Waiting<T> {
  readonly item: T;
  /** Milliseconds from which it has waited too long. */
  readonly deadline: number;
  older: Waiting<T> | null;
  newer: Waiting<T> | null;
}

export interface AdmissionLimits {
  readonly maxInFlight: number;
  readonly maxQueued: number;
  /** Milliseconds that one may wait. */
  readonly maxQueueMs: number;
}

/**
 * Lets so many in at a time; so many more may wait for so long; the rest is refused at once. So overload costs neither memory nor
 * time of those who are served.
 *
 * Who has waited longest goes first, until waiting takes long: when the oldest has used half of its time, the newest goes first,
 * because its caller is still there and the oldest will likely give up anyway (adaptive LIFO: Ben Maurer, "Fail at Scale", ACM Queue
 * 13(8), 2015).
 */
export class Admission<T> {
  readonly #limits: AdmissionLimits;
  readonly #places = new Map<T, Waiting<T>>();
  #oldest: Waiting<T> | null = null;
  #newest: Waiting<T> | null = null;
  #inside = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get inside(): number {
    return this.#inside;
  }

  get queued(): number {
    return this.#places.size;
  }

  /** @returns whether there was room; then it is inside. While there is room, all who still wait are too late: nobody overtakes. */
  tryEnter(): boolean {
    if (this.#inside >= this.#limits.maxInFlight) return false;
    this.#inside += 1;
    return true;
  }

  /**
   * Waits after `tryEnter` failed.
   *
   * @param item each one once
   * @param now milliseconds that do not go back
   * @returns false when the queue is full: refuse it
   */
  enqueue(item: T, now: number): boolean {
    if (this.#places.size >= this.#limits.maxQueued || this.#places.has(item)) return false;
    const waiting: Waiting<T> = { item, deadline: now + this.#limits.maxQueueMs, older: this.#newest, newer: null };
    if (this.#newest === null) this.#oldest = waiting;
    else this.#newest.newer = waiting;
    this.#newest = waiting;
    this.#places.set(item, waiting);
    return true;
  }

  /**
   * One that was inside is through.
   *
   * @returns the next, already counted as inside; null when nobody waits whose time is not over
   */
  leave(now: number): T | null {
    this.#inside -= 1;
    const oldest = this.#oldest;
    const newest = this.#newest;
    if (this.#inside >= this.#limits.maxInFlight || oldest === null || newest === null) return null;
    const late = oldest.deadline - now <= this.#limits.maxQueueMs / 2;
    const next = late ? newest : oldest;
    // Deadlines rise from old to new: when the newest is too late, all are, and `expire` names them.
    if (next.deadline <= now) return null;
    this.#unlink(next);
    this.#inside += 1;
    return next.item;
  }

  /** Takes out those who have waited too long, oldest first: refuse them. Call it now and then, and before `leave`. */
  expire(now: number): T[] {
    const late: T[] = [];
    for (let oldest = this.#oldest; oldest !== null && oldest.deadline <= now; oldest = this.#oldest) {
      this.#unlink(oldest);
      late.push(oldest.item);
    }
    return late;
  }

  /** Its client has gone. @returns whether it was waiting */
  forget(item: T): boolean {
    const waiting = this.#places.get(item);
    if (waiting === undefined) return false;
    this.#unlink(waiting);
    return true;
  }

  #unlink(waiting: Waiting<T>): void {
    const { older, newer } = waiting;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    this.#places.delete(waiting.item);
  }
}
