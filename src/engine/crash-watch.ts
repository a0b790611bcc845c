import type { Arm } from '../core/slot.ts';
import type { InstanceStatus, SlotStatus } from '../drivers/runtime/runtime.ts';

/** An instance has ended by itself and waits to be started again. */
const isDown = ({ state }: InstanceStatus): boolean => state === 'backing-off' || state === 'crash-looping';

/**
 * Counts ends that nobody asked for of instances that users rely on. Such an end is evidence of its own: the router tries
 * again what it may, so a release whose instances crash every few minutes can look faultless in the counts of requests, and
 * outlive any watch window that is shorter than its next crash. What happened while nobody watched is not counted.
 */
export class CrashWatch {
  /** By arm: restarts of each instance when it was first seen ready. */
  readonly #before: Readonly<Record<Arm, Map<string, number>>> = { stable: new Map(), candidate: new Map() };

  /**
   * Looks at both slots of a leg that users are on.
   *
   * @returns why the candidate is at fault, in its instance's words: more of its instances have ended than of stable's
   */
  look(stable: SlotStatus | null, candidate: SlotStatus | null): string | null {
    const ends = { stable: this.#ends('stable', stable), candidate: this.#ends('candidate', candidate) };
    const [last] = ends.candidate.reasons;
    return last !== undefined && ends.candidate.count > ends.stable.count ? `under traffic, ${last}` : null;
  }

  #ends(arm: Arm, status: SlotStatus | null): { readonly count: number; readonly reasons: readonly string[] } {
    const known = this.#before[arm];
    const reasons: string[] = [];
    let count = 0;
    for (const instance of status?.instances ?? []) {
      const before = known.get(instance.id);
      if (before === undefined) {
        if (instance.state === 'ready') known.set(instance.id, instance.restarts);
        continue;
      }
      const ended = instance.restarts - before + (isDown(instance) ? 1 : 0);
      if (ended <= 0) continue;
      count += ended;
      reasons.push(`${instance.id} ${instance.reason ?? 'ended'}`);
    }
    return { count, reasons };
  }
}
