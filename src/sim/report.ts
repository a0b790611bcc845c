/** Something that must never be, and was. The run ends with the first. */
export interface Broken {
  readonly invariant: string;
  readonly detail: string;
  /** Milliseconds since the beginning. */
  readonly at: number;
}

export interface Counts {
  crashes: number;
  powerCuts: number;
  overlaps: number;
  fenced: number;
  outages: number;
  clockJumps: number;
  deaths: number;
  calls: number;
  disturbedCalls: number;
  deployments: number;
  succeeded: number;
  reverted: number;
  refused: number;
  operations: number;
  requests: number;
  /** Copies of requests that were answered by stable and a candidate. */
  copies: number;
  /** Answers from nothing because instances died by themselves; never because of a deployment. */
  lostToDeaths: number;
  failedByRelease: number;
  entries: number;
}

export const noCounts = (): Counts => ({
  crashes: 0,
  powerCuts: 0,
  overlaps: 0,
  fenced: 0,
  outages: 0,
  clockJumps: 0,
  deaths: 0,
  calls: 0,
  disturbedCalls: 0,
  deployments: 0,
  succeeded: 0,
  reverted: 0,
  refused: 0,
  operations: 0,
  requests: 0,
  copies: 0,
  lostToDeaths: 0,
  failedByRelease: 0,
  entries: 0,
});

/** Keeps what a run says about itself: lines for people when asked for, figures always, and the first broken invariant. */
export class Report {
  readonly counts = noCounts();
  readonly lines: string[] = [];
  readonly #now: () => number;
  readonly #tracing: boolean;
  #broken: Broken | null = null;

  constructor(now: () => number, tracing: boolean) {
    this.#now = now;
    this.#tracing = tracing;
  }

  get broken(): Broken | null {
    return this.#broken;
  }

  /** @param text made only when somebody reads it */
  trace(who: string, text: () => string): void {
    if (!this.#tracing) return;
    const seconds = (this.#now() / 1_000).toFixed(3).padStart(9);
    this.lines.push(`${seconds}  ${who.padEnd(14)} ${text()}`);
  }

  fail(invariant: string, detail: string): void {
    this.trace('BROKEN', () => `${invariant}: ${detail}`);
    this.#broken ??= { invariant, detail, at: this.#now() };
  }
}
