import { addMirrors } from '../../../core/mirror-counts.ts';
import type { MirrorSecond, TrafficSecond } from '../../../core/traffic.ts';

/** Seconds that a second waits for what the gateway says of its copies. */
const patience = 5;
/** Seconds after the end of mirroring in which copies may still end. */
const lastCopies = 15;
/** Seconds of which it is known what was copied. */
const keptSeconds = 16 * 60;

/** Closed seconds after a second (exclusive), as the gateway behind HAProxy counted them. */
export type AskGateway = (afterSecond: number) => Promise<readonly TrafficSecond[]>;

/**
 * Joins what the built-in gateway says of copies of one service to the seconds that HAProxy's lines were counted in. A second is
 * given when both have closed it, and never changes; what comes later is in the next one.
 */
export class MirroredSeconds {
  readonly #mirrors = new Map<number, MirrorSecond>();
  /** The last second of the gateway that was taken. */
  #taken = 0;
  /** Seconds up to this one have been given, or may have been. */
  #given = Number.NEGATIVE_INFINITY;
  /** UTC second in which the last copy is known, at the latest. */
  #until = Number.NEGATIVE_INFINITY;
  #turn: Promise<void> = Promise.resolve();

  /** @param mirrored whether copies are made from now on @param now UTC seconds */
  apply(mirrored: boolean, now: number): void {
    if (mirrored) this.#until = Infinity;
    else if (this.#until === Infinity) this.#until = now + lastCopies;
  }

  /** @param seconds closed ones of HAProxy, ascending @param now UTC seconds */
  async join(seconds: readonly TrafficSecond[], now: number, gateway: AskGateway): Promise<readonly TrafficSecond[]> {
    const turn = this.#turn.then(() => this.#take(now, gateway));
    this.#turn = turn;
    await turn;
    const last = seconds.at(-1)?.second;
    if (last !== undefined) {
      const closed = now > this.#until ? last : Math.max(this.#taken, now - patience);
      this.#given = Math.max(this.#given, Math.min(last, closed));
    }
    return seconds.filter(({ second }) => second <= this.#given).map((second) => this.with(second, second.second));
  }

  /** A second with what is known of its copies. */
  with(second: TrafficSecond, at: number): TrafficSecond {
    const mirror = this.#mirrors.get(at);
    return mirror === undefined ? second : { ...second, mirror };
  }

  async #take(now: number, gateway: AskGateway): Promise<void> {
    if (now > this.#until + patience) return;
    // Without an answer, seconds wait as long as they may; then they go without.
    const found = await gateway(this.#taken).catch((): readonly TrafficSecond[] => []);
    for (const { second, mirror } of found) {
      this.#taken = Math.max(this.#taken, second);
      if (mirror === undefined) continue;
      const at = Math.max(second, this.#given + 1);
      const before = this.#mirrors.get(at);
      this.#mirrors.set(at, before === undefined ? mirror : addMirrors(before, mirror));
    }
    for (const second of this.#mirrors.keys()) if (second < now - keptSeconds) this.#mirrors.delete(second);
  }
}
