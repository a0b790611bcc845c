import { setTimeout as sleep } from 'node:timers/promises';
import { healthVerdict, nextProbe, noteProbe, type HealthProgress, type ProbeKind } from '../../../core/plan/health.ts';
import type { Health } from '../../../core/spec/platform.ts';
import { probeOnce } from './probe.ts';

/**
 * Probes one launch of an instance until it is stopped: start-up and readiness in one loop, liveness in another, each
 * probe after the end of the one before.
 */
export class Prober {
  readonly #address: { readonly host: string; readonly port: number };
  readonly #health: () => Health;
  readonly #now: () => number;
  readonly #onProgress: (progress: HealthProgress) => void;
  readonly #stop = new AbortController();
  #progress: HealthProgress;
  #livenessRuns = false;

  constructor(options: {
    readonly address: { readonly host: string; readonly port: number };
    /** Asked before every probe: a slot may be given new intervals while its instances run. */
    readonly health: () => Health;
    readonly progress: HealthProgress;
    readonly now: () => number;
    readonly onProgress: (progress: HealthProgress) => void;
  }) {
    this.#address = options.address;
    this.#health = options.health;
    this.#progress = options.progress;
    this.#now = options.now;
    this.#onProgress = options.onProgress;
  }

  get progress(): HealthProgress {
    return this.#progress;
  }

  start(): void {
    void this.#probeReadiness();
    if (this.#progress.started) this.#startLiveness();
  }

  stop(): void {
    this.#stop.abort();
  }

  get #done(): boolean {
    return this.#stop.signal.aborted || this.#progress.failure !== null;
  }

  async #probeReadiness(): Promise<void> {
    let at = this.#now();
    while (!this.#done) {
      await this.#until(at);
      if (this.#done) return;
      const health = this.#health();
      const kind = this.#progress.started ? 'readiness' : 'startup';
      const wasStarted = this.#progress.started;
      await this.#probe(kind);
      if (!wasStarted && this.#progress.started) {
        this.#startLiveness();
        at = this.#now();
      } else {
        at = nextProbe(this.#progress, health, this.#now()).at;
      }
    }
  }

  #startLiveness(): void {
    if (this.#livenessRuns) return;
    this.#livenessRuns = true;
    void this.#probeLiveness();
  }

  async #probeLiveness(): Promise<void> {
    while (!this.#done) {
      const probe = this.#health().liveness;
      await this.#until(this.#now() + (probe?.intervalMs ?? 1000));
      if (this.#done || probe === null) continue;
      await this.#probe('liveness');
    }
  }

  async #probe(kind: ProbeKind): Promise<void> {
    const health = this.#health();
    const probe = health[kind];
    if (probe === null) return;
    const result = await probeOnce(kind, probe, this.#address, this.#stop.signal);
    if (this.#stop.signal.aborted) return;
    const before = this.#progress;
    this.#progress = noteProbe(before, health, result, this.#now());
    const changed =
      healthVerdict(before, health) !== healthVerdict(this.#progress, health) ||
      before.started !== this.#progress.started ||
      before.lastDetail !== this.#progress.lastDetail;
    if (changed) this.#onProgress(this.#progress);
  }

  async #until(time: number): Promise<void> {
    // Aborting is the normal end of this wait.
    await sleep(Math.max(0, time - this.#now()), undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}
