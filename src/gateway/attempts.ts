import { otherSlot } from '../core/slot.ts';
import type { Chosen } from './pick-arm.ts';
import type { ServiceState } from './service-state.ts';
import type { Upstream } from './upstream.ts';

const maxAttempts = 6;

/** Which instances one request has tried, and which is next. */
export class Attempts {
  /** The chosen slot could not serve it, the other did. */
  rescued = false;
  readonly #service: ServiceState;
  readonly #chosen: Chosen;
  #tried: Upstream[] | null = null;
  #count = 0;

  constructor(service: ServiceState, chosen: Chosen) {
    this.#service = service;
    this.#chosen = chosen;
  }

  /** An endpoint of the chosen slot, or, when none of them could be reached, one of the other if it may have traffic. */
  next(now: number): Upstream | null {
    if (this.#count >= maxAttempts) return null;
    const { slot } = this.#chosen.choice;
    let upstream = this.#service.pick(slot, this.#tried, now);
    if (upstream === null) {
      const entry = this.#service.inForce?.entry;
      const rescue = otherSlot(slot);
      if (entry === undefined || (rescue !== entry.stable && entry.candidateWeight <= 0)) return null;
      upstream = this.#service.pick(rescue, this.#tried, now);
      if (upstream !== null) this.rescued = true;
    }
    if (upstream !== null) this.#count += 1;
    return upstream;
  }

  /** This one is not tried again. */
  exclude(upstream: Upstream): void {
    (this.#tried ??= []).push(upstream);
  }

  /** It failed this request: held against it. */
  failed(upstream: Upstream, now: number): void {
    const { slot } = this.#chosen.choice;
    this.#service.endpointFailed(upstream, this.rescued ? otherSlot(slot) : slot, now);
  }
}
