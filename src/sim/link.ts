import { SimulatedOutage, type Process } from './process.ts';
import type { Random } from './random.ts';
import type { Report } from './report.ts';
import type { Roughness } from './scenario.ts';
import type { Timeline } from './timeline.ts';

export interface LinkParts {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly report: Report;
  readonly roughness: Roughness;
}

type Fate = 'well' | 'refused' | 'request-lost' | 'answer-lost' | 'slow' | 'twice';

/** The way to a driver's other side: slow, lossy, repeating, or down for a while. */
export class Link {
  readonly #parts: LinkParts;
  readonly #name: string;
  #downUntil = 0;

  constructor(name: string, parts: LinkParts) {
    this.#name = name;
    this.#parts = parts;
  }

  goDown(forMs: number): void {
    this.#downUntil = Math.max(this.#downUntil, this.#parts.timeline.now + forMs);
  }

  /**
   * Carries a request to the other side and its answer back.
   *
   * @param work done by the other side when the request arrives, also when the asking process has died meanwhile
   */
  call<T>(from: Process, what: string, signal: AbortSignal, work: () => T | Promise<T>): Promise<T> {
    const { timeline, random, report } = this.#parts;
    return new Promise<T>((resolve, reject) => {
      if (!from.alive) return;
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      let settled = false;
      const settle = (how: () => void): void => {
        if (settled || !from.alive) return;
        settled = true;
        signal.removeEventListener('abort', onAbort);
        how();
      };
      const onAbort = (): void => settle(() => reject(signal.reason as Error));
      signal.addEventListener('abort', onAbort, { once: true });
      const fail = (delayMs: number): void => {
        timeline.after(delayMs, () => settle(() => reject(new SimulatedOutage(this.#name))));
      };
      const answer = (delayMs: number, how: () => void): void => {
        timeline.after(delayMs, () => settle(how));
      };

      const fate = this.#fate();
      report.counts.calls += 1;
      if (fate !== 'well') {
        report.counts.disturbedCalls += 1;
        report.trace(from.name, () => `${this.#name} ${what}: ${fate}`);
      }
      if (fate === 'refused') return fail(random.int(1, 40));
      const timeoutMs = random.int(1_000, 10_000);
      if (fate === 'request-lost') return fail(timeoutMs);
      const wayMs = fate === 'slow' ? random.int(500, 25_000) : random.int(0, 6);
      const backMs = fate === 'slow' && random.chance(0.3) ? random.int(500, 15_000) : random.int(0, 4);
      if (fate === 'twice') timeline.after(wayMs + random.int(0, 4_000), () => void swallow(work));
      timeline.after(wayMs, () => {
        if (this.#isDown()) return fail(random.int(1, 500));
        const isLost = fate === 'answer-lost';
        perform(work).then(
          (value) => (isLost ? fail(timeoutMs) : answer(backMs, () => resolve(value))),
          (error: unknown) => (isLost ? fail(timeoutMs) : answer(backMs, () => reject(error))),
        );
      });
    });
  }

  #isDown(): boolean {
    return this.#parts.timeline.now < this.#downUntil;
  }

  #fate(): Fate {
    const { timeline, random, roughness } = this.#parts;
    if (this.#isDown()) return 'refused';
    if (timeline.now >= roughness.horizonMs) return 'well';
    const draw = random.next();
    const { callLost, callSlow, callTwice } = roughness;
    if (draw < callLost) return random.pick(['refused', 'request-lost', 'answer-lost']);
    if (draw < callLost + callSlow) return 'slow';
    return draw < callLost + callSlow + callTwice ? 'twice' : 'well';
  }
}

async function perform<T>(work: () => T | Promise<T>): Promise<T> {
  return work();
}

/** The repetition's answer goes to nobody. */
async function swallow(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch {
    // What it refuses, it refuses to nobody.
  }
}
