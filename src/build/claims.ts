import { ReleaseClaimedError } from '../errors.ts';

/** All artifacts: held while a build has an artifact in the store that no release names yet. */
export const ALL_ARTIFACTS = 'the store of artifacts';

/**
 * Who needs a release (or the store) at this moment, and who is about to remove it. A deployment claims its release before
 * it journals that it uses it, and lets go after; the collection claims what it removes. The claims live in memory: one
 * control plane holds the state folder, everything goes through it, and when it dies there is nobody left to protect.
 */
export class Claims {
  readonly #users = new Map<string, number>();
  /** What is being removed, and what ends when that is over. */
  readonly #removing = new Map<string, PromiseWithResolvers<void>>();

  /**
   * Claims something for use. Several may. Call the returned function to let go.
   *
   * @throws ReleaseClaimedError while it is being removed
   */
  use(what: string): () => void {
    if (this.#removing.has(what)) throw new ReleaseClaimedError(what);
    this.#users.set(what, (this.#users.get(what) ?? 0) + 1);
    return once(() => {
      const left = (this.#users.get(what) ?? 1) - 1;
      if (left === 0) this.#users.delete(what);
      else this.#users.set(what, left);
    });
  }

  /** As `use`, but waits while it is being removed: for what is still there afterwards, as the store is. */
  async useWhenFree(what: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    for (let removal = this.#removing.get(what); removal !== undefined; removal = this.#removing.get(what)) {
      const aborted = Promise.withResolvers<void>();
      const onAbort = (): void => aborted.resolve();
      signal.addEventListener('abort', onAbort, { once: true });
      await Promise.race([removal.promise, aborted.promise]);
      signal.removeEventListener('abort', onAbort);
      signal.throwIfAborted();
    }
    return this.use(what);
  }

  /** Claims something for removal, alone; null while anybody uses it. Call the returned function to let go. */
  tryRemove(what: string): (() => void) | null {
    if (this.#users.has(what) || this.#removing.has(what)) return null;
    const removal = Promise.withResolvers<void>();
    this.#removing.set(what, removal);
    return once(() => {
      this.#removing.delete(what);
      removal.resolve();
    });
  }
}

const once = (action: () => void): (() => void) => {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
};
