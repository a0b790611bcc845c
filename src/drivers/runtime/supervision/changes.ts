/**
 * Tells listeners about what changed, once per turn of the event loop however often it changed, and never the same thing
 * twice in a row.
 */
export class Changes<Value> {
  readonly #listeners = new Set<(value: Value) => void>();
  readonly #dirty = new Map<string, () => Value>();
  readonly #told = new Map<string, string>();
  #scheduled = false;

  subscribe(listener: (value: Value) => void): () => void {
    // A wrapper of its own, so that the same function may subscribe twice and leave once.
    const own = (value: Value): void => listener(value);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Notes a change; `read` is called when it is told, not now. */
  note(key: string, read: () => Value): void {
    this.#dirty.set(key, read);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#tell());
  }

  #tell(): void {
    this.#scheduled = false;
    const changed = [...this.#dirty];
    this.#dirty.clear();
    for (const [key, read] of changed) {
      const value = read();
      const text = JSON.stringify(value);
      if (this.#told.get(key) === text) continue;
      this.#told.set(key, text);
      for (const listener of this.#listeners) listener(value);
    }
  }
}
