import { mkdir } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { ResourceUnavailableError } from '../../../errors.ts';
import type { ResourceConnection, ResourceDriver, ResourceStatus } from '../resource.ts';
import { urlEnvironment } from '../url-environment.ts';
import { whyUnusable } from './folder.ts';

const HINT = 'Make room, or give this user the right to write there; `veza up` makes the folder when it is not there.';

/** A folder of this environment that outlives releases and slots. There is no process: it is never `stopped`. */
export class EmbeddedStorage implements ResourceDriver {
  readonly migrations = null;
  readonly #name: string;
  readonly #directory: string;

  constructor(name: string, directory: string) {
    this.#name = name;
    this.#directory = directory;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ResourceUnavailableError(this.#name, reason, HINT);
    }
    const reason = await whyUnusable(this.#directory);
    if (reason !== null) throw new ResourceUnavailableError(this.#name, `${reason} (${this.#directory})`, HINT);
  }

  async status(): Promise<ResourceStatus> {
    const reason = await whyUnusable(this.#directory);
    const state = reason === null ? 'ready' : 'unready';
    return { state, address: this.#directory, pid: null, version: null, reason };
  }

  connection(): Promise<ResourceConnection> {
    const url = pathToFileURL(this.#directory).href;
    const environment = urlEnvironment('STORAGE_URL', this.#name, url);
    return Promise.resolve({ url, environment, folders: [this.#directory] });
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
