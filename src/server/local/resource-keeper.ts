import { setTimeout as sleep } from 'node:timers/promises';
import type { ResourceDriver } from '../../drivers/resource/resource.ts';

export interface ResourceKeeperOptions {
  /** For messages: `development: resource db`. */
  readonly name: string;
  readonly driver: ResourceDriver;
  readonly log: (line: string) => void;
  /** Milliseconds between two looks. */
  readonly everyMs?: number;
}

const EVERY_MS = 3_000;

/**
 * Starts a resource of this machine again when its process is gone (killed, out of memory): instances outlive that, their
 * database has to come back. Returns what ends it; resolved, nothing is started any more.
 */
export function keepResource({ name, driver, log, everyMs = EVERY_MS }: ResourceKeeperOptions): () => Promise<void> {
  const closed = new AbortController();
  const keeping = (async () => {
    let said = '';
    while (!closed.signal.aborted) {
      await sleep(everyMs, undefined, { signal: closed.signal, ref: false }).catch(() => undefined);
      if (closed.signal.aborted) return;
      try {
        if ((await driver.status()).state !== 'stopped') continue;
        log(`${name} is gone; it is started again`);
        await driver.start(closed.signal);
        log(`${name} runs again`);
        said = '';
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        // Tried for as long as it takes; said once.
        if (!closed.signal.aborted && text !== said) log(`${name} cannot be started again: ${text}`);
        said = text;
      }
    }
  })();
  return async () => {
    closed.abort(new Error('the control plane ends'));
    await keeping;
  };
}
