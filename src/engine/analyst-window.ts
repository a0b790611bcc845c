import type { TrafficSecond } from '../core/traffic.ts';

const SECOND_MS = 1_000;

/** What has been observed of the window that a deployment is in, and has not been told to it yet. */
export class ObservedWindow {
  /** Seconds that began before this say nothing about the window; UTC milliseconds. */
  #countsFrom: number;
  #name = '';
  #observedMs = 0;
  #trafficMs = 0;

  /** @param now UTC milliseconds */
  constructor(now: number) {
    this.#countsFrom = now;
  }

  get observedMs(): number {
    return this.#observedMs;
  }

  get trafficMs(): number {
    return this.#trafficMs;
  }

  get countsFrom(): number {
    return this.#countsFrom;
  }

  /** Begins anew when it is another window. Returns whether it is. */
  enter(name: string, now: number): boolean {
    if (name === this.#name) return false;
    this.#name = name;
    this.#countsFrom = now;
    this.#observedMs = 0;
    this.#trafficMs = 0;
    return true;
  }

  /** A closed second. Of one in which the window was opened, the part behind that counts. */
  addSecond({ second }: TrafficSecond, hasTraffic: boolean): void {
    this.#add(Math.min(SECOND_MS, (second + 1) * SECOND_MS - this.#countsFrom), hasTraffic);
  }

  /**
   * What has passed of a second that is not over, if that is all the window waits for; then whether it was.
   *
   * @param passedMs of the second
   * @param missingMs that the window lacks
   */
  addPart({ second }: TrafficSecond, passedMs: number, missingMs: number, hasTraffic: boolean): boolean {
    const upTo = second * SECOND_MS + passedMs;
    const within = Math.min(passedMs, upTo - this.#countsFrom);
    if (within <= 0 || within < missingMs) return false;
    this.#add(within, hasTraffic);
    this.#countsFrom = upTo;
    return true;
  }

  /** What the deployment is told now. */
  take(): { readonly observedMs: number; readonly trafficMs: number } {
    const taken = { observedMs: this.#observedMs, trafficMs: this.#trafficMs };
    this.#observedMs = 0;
    this.#trafficMs = 0;
    return taken;
  }

  #add(withinMs: number, hasTraffic: boolean): void {
    if (withinMs <= 0) return;
    this.#observedMs += withinMs;
    if (hasTraffic) this.#trafficMs += withinMs;
  }
}
