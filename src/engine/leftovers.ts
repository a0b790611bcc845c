import type { Ledger } from '../core/rollout/ledger.ts';
import type { SlotRef } from '../core/slot.ts';
import type { EnvironmentHands } from './actor.ts';
import type { Clock } from './clock.ts';

const RETRY_MS = 5_000;

/**
 * Puts away what nobody wants in one environment: slots that are not live and of no service with a deployment under way,
 * and routes of services that have nothing live. A deployment that ended without being able to stop its instances leaves
 * them behind, and so does one that another control plane had begun. Tried until it works.
 */
export class Leftovers {
  readonly #hands: EnvironmentHands;
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #abort = new AbortController();
  #busy = false;
  #again = false;
  #tableSeen = false;
  #cancelRetry: () => void = () => {};

  constructor(hands: EnvironmentHands, ledger: Ledger, clock: Clock) {
    this.#hands = hands;
    this.#ledger = ledger;
    this.#clock = clock;
  }

  close(): void {
    this.#abort.abort(new Error('the control plane is closing'));
    this.#cancelRetry();
  }

  /** To be called whenever something may have been left over. */
  sweep(): void {
    if (this.#abort.signal.aborted) return;
    if (this.#tableSeen && this.#unwanted().length === 0) return;
    this.#again = true;
    if (!this.#busy) void this.#run();
  }

  async #run(): Promise<void> {
    this.#busy = true;
    this.#cancelRetry();
    let failed = false;
    while (this.#again && !this.#abort.signal.aborted) {
      this.#again = false;
      failed = !(await this.#all());
    }
    this.#busy = false;
    if (failed) this.#cancelRetry = this.#clock.after(RETRY_MS, () => this.sweep());
  }

  /** False when something could not be put away now. */
  async #all(): Promise<boolean> {
    const { parts, routes } = this.#hands;
    try {
      if (!this.#tableSeen) {
        // An earlier control plane may have routed services that nothing here would ever write again.
        for (const { entry } of await parts.router.observe(this.#abort.signal)) routes.refresh(entry.service);
        this.#tableSeen = true;
      }
    } catch {
      return false;
    }
    const done = await Promise.all(
      this.#unwanted().map((ref) =>
        this.#putAway(ref).then(
          () => true,
          () => false,
        ),
      ),
    );
    return !done.includes(false);
  }

  /** As a deployment would: out of the table, drained, stopped. A deployment that has come to want it gets it as it is. */
  async #putAway(ref: SlotRef): Promise<void> {
    const { parts, routes, slots } = this.#hands;
    const { signal } = this.#abort;
    await routes.sync(ref.service);
    const instances = slots.instances(ref.service, ref.slot);
    const release = slots.status(ref.service, ref.slot)?.release;
    if (!this.#isUnwanted(ref)) return;
    if (instances.length > 0 && release !== undefined) {
      const { drainMs } = slots.service(release, ref.service).proxy;
      await parts.router.drain(ref.service, instances, drainMs, signal);
    }
    if (this.#isUnwanted(ref)) await slots.remove(ref.service, ref.slot, signal);
  }

  #unwanted(): readonly SlotRef[] {
    return this.#hands.slots.occupied().filter((ref) => this.#isUnwanted(ref));
  }

  #isUnwanted(ref: SlotRef): boolean {
    if (this.#ledger.record(ref.environment, ref.service).live?.slot === ref.slot) return false;
    return !this.#ledger
      .active()
      .some(({ plan }) => plan.environment === ref.environment && plan.legs.some((leg) => leg.service === ref.service));
  }
}
