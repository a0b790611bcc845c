/** What a member receives, as the chat service sends it. */
export interface Received {
  readonly seq: number;
  readonly id: string;
  readonly author: string;
  readonly text: string;
}

interface Said {
  readonly author: string;
  readonly text: string;
  seq: number | null;
}

/**
 * Knows what was said in a room and what each member must see: every acknowledged message exactly once, in the order of its
 * numbers, 1, 2, 3… without a gap, over any number of connections. All that is said in the room is said through it.
 */
export class RoomLedger {
  readonly #said = new Map<string, Said>();
  readonly #bySeq = new Map<number, string>();
  readonly #members: MemberLedger[] = [];

  /** Before it is sent. */
  saying(id: string, author: string, text: string): void {
    if (!this.#said.has(id)) this.#said.set(id, { author, text, seq: null });
  }

  /** @returns what is wrong with the acknowledgement; null when nothing is */
  acknowledged(id: string, seq: number): string | null {
    const said = this.#said.get(id);
    if (said === undefined) return `an acknowledgement of a message that nobody said: ${id}`;
    if (said.seq !== null && said.seq !== seq) return `message ${said.seq} is acknowledged again as ${seq}`;
    const other = this.#bySeq.get(seq);
    if (other !== undefined && other !== id) return `two messages have the number ${seq}`;
    said.seq = seq;
    this.#bySeq.set(seq, id);
    return null;
  }

  /** @param after number of the last message before the ones that the member must see */
  member(name: string, after: number): MemberLedger {
    const member = new MemberLedger(name, after, (received) => this.#problemOf(received));
    this.#members.push(member);
    return member;
  }

  /** The highest number that was acknowledged; 0 before there is one. */
  get lastAcknowledged(): number {
    let last = 0;
    for (const seq of this.#bySeq.keys()) last = Math.max(last, seq);
    return last;
  }

  get acknowledgedCount(): number {
    return this.#bySeq.size;
  }

  /** True when every member has seen every acknowledged message. */
  get settled(): boolean {
    return this.missing().length === 0;
  }

  /** Each acknowledged message that a member has not seen. */
  missing(): readonly { readonly member: string; readonly seq: number }[] {
    return this.#members.flatMap((member) =>
      [...this.#bySeq.keys()]
        .filter((seq) => seq > member.after && !member.has(seq))
        .map((seq) => ({ member: member.name, seq })),
    );
  }

  /** What is wrong with the room's history, as it can be read at the end; acknowledged messages that it lacks are counted apart. */
  compareHistory(history: readonly Received[]): {
    readonly problems: readonly string[];
    readonly missing: readonly number[];
  } {
    const reader = new MemberLedger('history', 0, (received) => this.#problemOf(received));
    const problems = history.map((message) => reader.receive(message)).filter((problem) => problem !== null);
    const missing = [...this.#bySeq.keys()].filter((seq) => !reader.has(seq));
    return { problems, missing };
  }

  #problemOf(received: Received): string | null {
    const said = this.#said.get(received.id);
    if (said === undefined) return `message ${received.seq} was never said`;
    if (said.seq !== null && said.seq !== received.seq) return `message ${said.seq} came as ${received.seq}`;
    if (said.author !== received.author) return `message ${received.seq} has another author`;
    return said.text === received.text ? null : `message ${received.seq} has another text`;
  }
}

/** What one member has seen of a room. */
export class MemberLedger {
  readonly name: string;
  readonly after: number;
  readonly #problemOf: (received: Received) => string | null;
  readonly #seen = new Set<number>();
  #last: number;

  constructor(name: string, after: number, problemOf: (received: Received) => string | null) {
    this.name = name;
    this.after = after;
    this.#last = after;
    this.#problemOf = problemOf;
  }

  /** Number of the newest message seen: where the next connection goes on. */
  get last(): number {
    return this.#last;
  }

  has(seq: number): boolean {
    return this.#seen.has(seq);
  }

  /** @returns what is wrong with a message that came; null when it is the next one and all that it must be */
  receive(received: Received): string | null {
    const { seq } = received;
    const wanted = this.#last + 1;
    if (this.#seen.has(seq)) return `${this.name} saw message ${seq} twice`;
    this.#seen.add(seq);
    this.#last = Math.max(this.#last, seq);
    if (seq > wanted) return `${this.name} saw message ${seq} instead of ${wanted}`;
    if (seq < wanted) return `${this.name} saw message ${seq} after ${wanted - 1}`;
    return this.#problemOf(received);
  }
}
