import type { EvidenceHead, EvidenceSecond } from '../core/analysis/evidence-record.ts';
import type { EvidenceBook } from './evidence-book.ts';

/** Seconds that wait for a store that cannot be written; then the record ends where it is, which leaves it whole as far as it goes. */
const MOST_WAITING = 900;

/** The record of one leg, second by second. What cannot be kept now is kept later, so that it never has a hole. */
export class LegRecord {
  readonly #book: EvidenceBook;
  readonly #head: EvidenceHead;
  #waiting: EvidenceSecond[] = [];
  #begun: boolean;
  #given = false;

  /** @param begun it is in the store already */
  constructor(book: EvidenceBook, head: EvidenceHead, begun: boolean) {
    this.#book = book;
    this.#head = head;
    this.#begun = begun;
  }

  append(seconds: readonly EvidenceSecond[]): void {
    if (this.#given) return;
    this.#waiting.push(...seconds);
    this.#begun ||= this.#book.begin(this.#head);
    const { deployment, leg } = this.#head;
    if (this.#begun && this.#book.append(deployment, leg, this.#waiting)) this.#waiting = [];
    this.#given = this.#waiting.length > MOST_WAITING;
    if (this.#given) this.#waiting = [];
  }
}
