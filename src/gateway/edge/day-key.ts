import { createHmac, randomBytes } from 'node:crypto';

/** What a worker needs to make the same pseudonyms as the others; held in memory only. */
export interface DayKeyState {
  /** Base64. */
  readonly key: string;
  /** Days since 1970, UTC. */
  readonly day: number;
}

const dayMs = 86_400_000;

/**
 * A key that is another one every day and never written down. The next day's is made from today's, which is then
 * forgotten: so all workers have the same without asking each other, and nobody can go back from the key of one day to
 * that of the day before.
 */
export class DayKey {
  #key: Buffer;
  #day: number;

  /** @param state of another process that makes the same pseudonyms; null: a new key @param now UTC milliseconds */
  constructor(state: DayKeyState | null, now: number) {
    this.#key = state === null ? randomBytes(32) : Buffer.from(state.key, 'base64');
    this.#day = state?.day ?? Math.floor(now / dayMs);
  }

  /** Stands for a text on one day: 12 characters that cannot be turned back or joined with those of another day. */
  pseudonym(text: string, now: number): string {
    this.#goTo(Math.floor(now / dayMs));
    return createHmac('sha256', this.#key).update(text).digest('base64url').slice(0, 12);
  }

  /** For a process that joins. */
  state(now: number): DayKeyState {
    this.#goTo(Math.floor(now / dayMs));
    return { key: this.#key.toString('base64'), day: this.#day };
  }

  /** A clock that goes back keeps the key: the old one is gone. */
  #goTo(day: number): void {
    if (day - this.#day > 1_000) {
      // Nobody else has come along so far, so there is nobody to agree with.
      this.#key = randomBytes(32);
      this.#day = day;
    }
    for (; this.#day < day; this.#day += 1) {
      const next = createHmac('sha256', this.#key).update('veza: the next day').digest();
      this.#key.fill(0);
      this.#key = next;
    }
  }
}
