import { keptConnectionMs } from '../../../core/emit/haproxy/config.ts';
import type { GatewaySettings } from '../../../core/gateway-settings.ts';
import type { Router } from '../router.ts';

/** The built-in gateway that carries streams for HAProxy. */
export interface StreamsGateway extends Router {
  /** `since`: UTC milliseconds of the start of the process that is in charge. */
  health(signal: AbortSignal): Promise<{ readonly since: number; readonly settings: GatewaySettings }>;
  /** Replaces it; streams of before are told to come back (Close 1012, a whole event) after its `lingerMs`. */
  upgrade(settings: GatewaySettings, signal: AbortSignal): Promise<unknown>;
}

/** A process of HAProxy that was replaced by a reload. */
export interface LeavingProcess {
  readonly pid: number;
  /** Milliseconds since it was replaced, at least. */
  readonly leftForMs: number;
}

/**
 * Sees to it that streams through a process that was replaced are told to come back before HAProxy cuts them
 * (`hard-stop-after`), which it does without a word: the gateway behind it is replaced, too, and tells them.
 *
 * That is done once no kept connection of the replaced process can bring a new stream any more, and only if it carries any: many
 * reloads in a row cost one replacement.
 */
export class LeavingStreams {
  /** By process id, UTC milliseconds. */
  readonly #left = new Map<number, number>();
  readonly #told = new Set<number>();

  /**
   * @param now UTC milliseconds
   * @param streamsOf how many streams a process carries
   * @returns whether the gateway was replaced
   */
  async look(
    leaving: readonly LeavingProcess[],
    now: number,
    streamsOf: (pid: number) => Promise<number>,
    gateway: StreamsGateway,
    signal: AbortSignal,
  ): Promise<boolean> {
    const pids = new Set(leaving.map(({ pid }) => pid));
    for (const pid of this.#left.keys()) if (!pids.has(pid)) this.#left.delete(pid);
    for (const pid of this.#told) if (!pids.has(pid)) this.#told.delete(pid);
    for (const { pid, leftForMs } of leaving) {
      this.#left.set(pid, Math.min(this.#left.get(pid) ?? Infinity, now - leftForMs));
    }
    const due: { readonly pid: number; readonly at: number }[] = [];
    for (const [pid, left] of this.#left) {
      const at = left + keptConnectionMs;
      if (this.#told.has(pid) || now < at || (await streamsOf(pid)) === 0) continue;
      due.push({ pid, at });
    }
    if (due.length === 0) return false;
    const { since, settings } = await gateway.health(signal);
    // Somebody else has replaced it since.
    const replace = due.some(({ at }) => since < at);
    if (replace) await gateway.upgrade(settings, signal);
    for (const { pid } of due) this.#told.add(pid);
    return replace;
  }
}
