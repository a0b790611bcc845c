import { setTimeout as sleep } from 'node:timers/promises';
import { DockerUnreachableError } from '../../../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import { DockerClient } from '../api/client.ts';
import type { DockerHost } from '../api/connection.ts';

export interface FleetHostOptions {
  readonly name: string;
  readonly engine: DockerHost;
  /** Adopts what runs there. Called again, after a pause, when the host did not answer. */
  readonly open: () => Promise<Runtime>;
  /** It has come, gone away, or come back. */
  readonly onChange: () => void;
}

const LOOK_MS = 1_000;
const ANSWER_MS = 3_000;
/** So many looks without an answer: it is away. One alone is a busy host. */
const PATIENCE = 3;

/** One host of several: its runtime, and whether it answers. */
export class FleetHost {
  readonly name: string;
  readonly #options: FleetHostOptions;
  readonly #client: DockerClient;
  readonly #closing = new AbortController();
  #runtime: Runtime | null = null;
  #away: string | null = null;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: FleetHostOptions) {
    this.#options = options;
    this.name = options.name;
    this.#client = new DockerClient(options.engine);
  }

  /** Null until it has answered for the first time. It stays when the host goes away: instances may go on there. */
  get runtime(): Runtime | null {
    return this.#runtime;
  }

  /** Why nothing can be done there at the moment; null: it answers. */
  get away(): string | null {
    return this.#away;
  }

  /** Tries once to reach it, then looks again by itself. @throws what is wrong with anything but the line to it */
  async begin(): Promise<void> {
    await this.#tryOpen();
    this.#looking = this.#look();
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('The runtime was closed.'));
    this.#client.close();
    await this.#looking;
    await this.#runtime?.close();
  }

  async #tryOpen(): Promise<void> {
    try {
      this.#runtime = await this.#options.open();
      this.#say(null);
    } catch (error) {
      if (!(error instanceof DockerUnreachableError)) throw error;
      this.#say(error.message);
    }
  }

  async #look(): Promise<void> {
    const { signal } = this.#closing;
    let missed = 0;
    while (!signal.aborted) {
      await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        if (this.#runtime === null) await this.#tryOpen();
        else {
          await this.#client.info(AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]));
          missed = 0;
          this.#say(null);
        }
      } catch (error) {
        missed += 1;
        if (missed >= PATIENCE || this.#runtime === null)
          this.#say(error instanceof Error ? error.message : String(error));
      }
    }
  }

  #say(away: string | null): void {
    if (away === this.#away || this.#closing.signal.aborted) return;
    const changed = (away === null) !== (this.#away === null) || away === null;
    this.#away = away;
    if (changed) this.#options.onChange();
  }
}
