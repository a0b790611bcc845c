import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How this release behaves: `behaviour.json`, committed with it. Every bad release is one changed line there. */
export interface Behaviour {
  readonly version: string;
  /** Pretended work for every request, in milliseconds. */
  readonly workMs: number;
  /** 5 makes every request take five times as long. */
  readonly slowFactor: number;
  /** Milliseconds on top for every request. */
  readonly slowMs: number;
  /** Share of requests that are answered with status 500. */
  readonly failPercent: number;
  /** Probes are answered, requests never. */
  readonly hang: boolean;
  readonly neverReady: boolean;
  readonly crashAtStart: boolean;
  /** 0 is never. */
  readonly crashAfterSeconds: number;
  readonly leakMbPerSecond: number;
  readonly ignoreSigterm: boolean;
}

export function readBehaviour(directory: string): Behaviour {
  return JSON.parse(readFileSync(join(directory, 'behaviour.json'), 'utf8')) as Behaviour;
}

/** Starts the ways of going wrong that need no request: a crash now, a crash later, a leak. */
export function misbehave(behaviour: Behaviour): void {
  if (behaviour.crashAtStart) throw new Error(`release ${behaviour.version} crashes at start (behaviour.json)`);
  if (behaviour.crashAfterSeconds > 0) {
    setTimeout(() => {
      throw new Error(`release ${behaviour.version} crashes after ${behaviour.crashAfterSeconds} s (behaviour.json)`);
    }, behaviour.crashAfterSeconds * 1000);
  }
  if (behaviour.leakMbPerSecond > 0) {
    const leaked: Buffer[] = [];
    // Filled, not only reserved: memory that nobody touched does not count against a limit.
    setInterval(() => leaked.push(Buffer.alloc(behaviour.leakMbPerSecond * 104_858, 1)), 100);
  }
}

/** Milliseconds that a request of this release takes at least. */
export function delayMs(behaviour: Behaviour): number {
  return behaviour.workMs * behaviour.slowFactor + behaviour.slowMs;
}
