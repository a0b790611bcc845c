import type { BodyLength } from './client-request.ts';
import type { GatewayLimits } from './limits.ts';

/** How the body of one request comes along. */
export class Upload {
  readonly expected: boolean;
  /** Everything has come from the client. */
  ended: boolean;
  bytes = 0;
  /** The instance does not take what is there. */
  blocked = false;
  #windowAt = 0;
  #windowBytes = 0;

  constructor(body: BodyLength) {
    this.expected = body.kind === 'open' || (body.kind === 'length' && body.bytes > 0);
    this.ended = !this.expected;
  }

  /** The rate is measured from here on. @param now milliseconds, monotonic */
  measureFrom(now: number): void {
    this.#windowAt = now;
    this.#windowBytes = 0;
  }

  came(bytes: number): void {
    this.bytes += bytes;
    this.#windowBytes += bytes;
  }

  /** Whether it trickles: it would hold its instance for ever. Asked now and then. */
  tooSlow(now: number, { bodyWindowMs, minBodyBytesPerSecond }: GatewayLimits): boolean {
    const passed = now - this.#windowAt;
    if (this.blocked || passed < bodyWindowMs) return false;
    const slow = this.#windowBytes < (minBodyBytesPerSecond * passed) / 1_000;
    this.measureFrom(now);
    return slow;
  }
}
