import { isFree } from '../../../system/free-port.ts';

/** Ports that instances are taken from, both ends included. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Gives every instance a port of its own. A port that somebody listens on is never given, whoever it is: it is tried by
 * binding. Ports go round the range, so that one just released is the last to be given again and late packets of its
 * old owner's clients meet nobody.
 */
export class Ports {
  readonly #range: PortRange;
  readonly #taken = new Set<number>();
  #next: number;

  constructor(range: PortRange) {
    this.#range = range;
    this.#next = range.from;
  }

  get range(): PortRange {
    return this.#range;
  }

  /** Marks a port as in use by an instance that has it already. */
  keep(port: number): void {
    this.#taken.add(port);
  }

  release(port: number): void {
    this.#taken.delete(port);
  }

  /** A free port, now taken; null when the range has none. */
  async take(): Promise<number | null> {
    for (const port of this.#candidates()) {
      // Taken before the first await, so that two takers never try the same port.
      this.#taken.add(port);
      if (await isPortFree(port)) {
        this.#next = port + 1;
        return port;
      }
      this.#taken.delete(port);
    }
    return null;
  }

  /** Counts free ports, up to `enough`. */
  async countFree(enough: number): Promise<number> {
    let free = 0;
    for (const port of this.#candidates()) {
      if (free >= enough) break;
      if (await isPortFree(port)) free += 1;
    }
    return free;
  }

  *#candidates(): Generator<number> {
    const size = this.#range.to - this.#range.from + 1;
    const start = this.#next;
    for (let offset = 0; offset < size; offset += 1) {
      const port = this.#range.from + ((start - this.#range.from + offset) % size);
      if (!this.#taken.has(port)) yield port;
    }
  }
}

/** True when nobody listens on the port, tried by listening for a moment. */
export async function isPortFree(port: number): Promise<boolean> {
  if (!(await isFree('127.0.0.1', port))) return false;
  // Linux refuses 127.0.0.1 when somebody has all addresses; BSD's SO_REUSEADDR lets the more specific one through.
  return process.platform === 'linux' || isFree('0.0.0.0', port);
}
