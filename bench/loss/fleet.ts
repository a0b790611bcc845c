import { join } from 'node:path';
import { freePort } from '../../src/system/free-port.ts';
import type { Endpoint } from '../../src/core/route-table.ts';
import { OwnedProcess } from '../machine/owned-process.ts';

/** Milliseconds between SIGTERM and SIGKILL of an instance. */
const graceMs = 5_000;

/** The instances of one release. */
export interface Slotful {
  readonly version: string;
  readonly endpoints: readonly Endpoint[];
  /** SIGTERM, and SIGKILL 5 s later. */
  stop(): Promise<void>;
}

/** Starts instances as real processes, and knows them all. */
export class Fleet {
  readonly #store: string;
  readonly #manner: 'plain' | 'polite';
  readonly #count: number;
  readonly #running = new Set<OwnedProcess>();
  #versions = 0;

  /** @param count instances of a release */
  constructor(store: string, manner: 'plain' | 'polite', count = 2) {
    this.#store = store;
    this.#manner = manner;
    this.#count = count;
  }

  /** Starts the instances of the next release; resolves when all of them listen. */
  async next(signal: AbortSignal): Promise<Slotful> {
    this.#versions += 1;
    const version = `v${this.#versions}`;
    const own = await Promise.all(
      Array.from({ length: this.#count }, async (_, index) => {
        const port = await freePort('127.0.0.1', 0);
        const program = join(import.meta.dirname, 'instance-program.ts');
        const args = [program, String(port), this.#store, version, this.#manner];
        const instance = new OwnedProcess({ program: process.execPath, args });
        this.#running.add(instance);
        await instance.listening(port, signal);
        return { instance, endpoint: { id: `${version}-${index + 1}`, host: '127.0.0.1', port } };
      }),
    );
    return {
      version,
      endpoints: own.map(({ endpoint }) => endpoint),
      stop: async () => {
        await Promise.all(
          own.map(async ({ instance }) => {
            await instance.stop('SIGTERM', graceMs);
            this.#running.delete(instance);
          }),
        );
      },
    };
  }

  async end(): Promise<void> {
    await Promise.all([...this.#running].map((instance) => instance.stop('SIGKILL')));
  }
}
