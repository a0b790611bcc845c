interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Simulated time: what is due happens in order of time, and of what is due together the first asked for is first. */
export class Timeline {
  readonly #heap: Due[] = [];
  #order = 0;
  #now = 0;
  #events = 0;

  /** Milliseconds since the beginning; never goes back. */
  get now(): number {
    return this.#now;
  }

  /** How much has happened. */
  get events(): number {
    return this.#events;
  }

  /** Runs once, `delayMs` from now; the returned function cancels. */
  after(delayMs: number, run: () => void): () => void {
    const due: Due = { at: this.#now + Math.max(0, Math.ceil(delayMs)), order: this.#order, run, cancelled: false };
    this.#order += 1;
    push(this.#heap, due);
    return () => {
      due.cancelled = true;
    };
  }

  /** Lets the next thing happen, and everything that follows from it without waiting. False when nothing is due. */
  async step(): Promise<boolean> {
    for (let due = pop(this.#heap); due !== undefined; due = pop(this.#heap)) {
      if (due.cancelled) continue;
      this.#now = due.at;
      this.#events += 1;
      due.run();
      await quiet();
      return true;
    }
    return false;
  }
}

/** A turn of the event loop: it begins when no promise has anything left to do, so nothing depends on the machine. */
const quiet = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

const isBefore = (one: Due, other: Due): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order);

function push(heap: Due[], due: Due): void {
  let at = heap.length;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || isBefore(above, due)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = due;
}

function pop(heap: Due[]): Due | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    let below = heap[child];
    const right = heap[child + 1];
    if (below !== undefined && right !== undefined && isBefore(right, below)) {
      child += 1;
      below = right;
    }
    if (below === undefined || isBefore(last, below)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = last;
  return first;
}
