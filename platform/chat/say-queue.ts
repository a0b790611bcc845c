import type { Saying, SayingOutcome } from './message.ts';

/** Waiting at most, per room: whoever comes after is told to come back, so that a slow database costs no memory. */
const WAITING_AT_MOST = 2000;
const TOGETHER_AT_MOST = 100;

export class RoomBusy extends Error {
  override readonly name = 'RoomBusy';

  constructor() {
    super('too many messages wait for this room');
  }
}

interface Waiting {
  readonly saying: Saying;
  readonly resolve: (outcome: SayingOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Stores what is said in a room in the order in which it came to this instance. What comes while a transaction is under way
 * goes into the next one together: a busy room costs one commit for many messages, not one each.
 */
export class SayQueue {
  readonly #store: (room: string, sayings: readonly Saying[]) => Promise<SayingOutcome[]>;
  readonly #waiting = new Map<string, Waiting[]>();

  /** @param store stores them all or none; its outcomes are in the order of the sayings */
  constructor(store: (room: string, sayings: readonly Saying[]) => Promise<SayingOutcome[]>) {
    this.#store = store;
  }

  /**
   * Resolves when it is committed. When it rejects, nobody knows whether it was: saying it again with its id is right.
   * @throws {RoomBusy}
   */
  say(room: string, saying: Saying): Promise<SayingOutcome> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(room);
      if (waiting === undefined) {
        this.#waiting.set(room, [{ saying, resolve, reject }]);
        void this.#work(room);
      } else if (waiting.length >= WAITING_AT_MOST) {
        reject(new RoomBusy());
      } else {
        waiting.push({ saying, resolve, reject });
      }
    });
  }

  /** A room is in the map as long as this runs for it, also when nothing waits. */
  async #work(room: string): Promise<void> {
    for (;;) {
      const batch = this.#waiting.get(room)?.splice(0, TOGETHER_AT_MOST) ?? [];
      if (batch.length === 0) {
        this.#waiting.delete(room);
        return;
      }
      try {
        const outcomes = await this.#store(
          room,
          batch.map(({ saying }) => saying),
        );
        for (const [place, { resolve, reject }] of batch.entries()) {
          const outcome = outcomes[place];
          if (outcome === undefined) reject(new Error('no outcome for a saying'));
          else resolve(outcome);
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
  }
}
