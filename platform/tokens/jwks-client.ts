import type { CryptoKey } from 'jose';
import { Problem } from '../kit/problem.ts';
import { JwksRefused, parseJwks } from './jwks.ts';

/** From this age on the set is asked for again, and used meanwhile. */
const REVALIDATE_MS = 60_000;
/**
 * From this age on a token waits until the set has been asked for again. A key that identity has taken out is believed no longer than
 * this, and a new key is known everywhere after it: the wait between publishing a key and signing with it.
 */
export const JWKS_MAX_AGE_MS = 5 * 60_000;
/** How long the last set is used when identity cannot be reached: a partition, since without identity nobody gets new tokens. */
export const JWKS_KEEP_MS = 24 * 3_600_000;
/** At most one request in this time, however many unknown kids come. */
export const JWKS_MIN_GAP_MS = 2_000;
const TIMEOUT_MS = 3_000;
const MAX_BYTES = 65_536;

export interface JwksClientOptions {
  readonly url: string;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly fetch: typeof globalThis.fetch;
}

/**
 * The published keys of identity, as one instance knows them. Driven by the tokens that come, without timers: an idle instance asks
 * nobody, and the first token after a pause waits for a fresh set.
 */
export class JwksClient {
  readonly #options: JwksClientOptions;
  readonly #closed = new AbortController();
  #keys: ReadonlyMap<string, CryptoKey> | null = null;
  #loadedAt = Number.NEGATIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  #failure: unknown = null;
  #running: Promise<void> | null = null;

  constructor(options: JwksClientOptions) {
    this.#options = options;
  }

  /**
   * The key of that name, or undefined when identity does not publish it.
   *
   * @throws Problem 503 when that cannot be known, because identity cannot be asked: a token that may be good is not refused for ever
   */
  async find(kid: string): Promise<CryptoKey | undefined> {
    const age = this.#options.clock() - this.#loadedAt;
    if (age > JWKS_MAX_AGE_MS && this.#failure === null) await this.#refresh();
    else if (age > REVALIDATE_MS) void this.#refresh();
    if (this.#usable()?.has(kid) !== true) await this.#refresh();
    const key = this.#usable()?.get(kid);
    if (key === undefined && (this.#failure !== null || this.#usable() === null)) throw keysUnavailable(this.#failure);
    return key;
  }

  /** For readiness. @throws when there are no keys and identity cannot be asked for them */
  async check(signal: AbortSignal): Promise<void> {
    if (this.#usable() !== null) return;
    await this.#refresh();
    signal.throwIfAborted();
    if (this.#usable() === null) throw keysUnavailable(this.#failure);
  }

  close(): void {
    this.#closed.abort();
  }

  #usable(): ReadonlyMap<string, CryptoKey> | null {
    return this.#options.clock() - this.#loadedAt > JWKS_KEEP_MS ? null : this.#keys;
  }

  /** One request at a time and per gap; all who need it wait for the same. Never rejects: what failed is in `#failure`. */
  async #refresh(): Promise<void> {
    if (this.#running !== null) return await this.#running;
    if (this.#closed.signal.aborted || this.#options.clock() - this.#askedAt < JWKS_MIN_GAP_MS) return;
    this.#askedAt = this.#options.clock();
    this.#running = this.#load().finally(() => (this.#running = null));
    await this.#running;
  }

  async #load(): Promise<void> {
    const askedAt = this.#askedAt;
    try {
      const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(TIMEOUT_MS)]);
      const { url, fetch } = this.#options;
      const response = await fetch(url, { signal, redirect: 'error', headers: { accept: 'application/json' } });
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new JwksRefused(`identity answered with status ${response.status}`);
      }
      this.#keys = parseJwks(await bodyOf(response));
      // As old as the request: what was taken out while it was on its way is not believed any longer for that.
      this.#loadedAt = askedAt;
      this.#failure = null;
    } catch (error) {
      this.#failure = error;
    }
  }
}

function keysUnavailable(cause: unknown): Problem {
  const detail = 'The keys that tokens are verified with cannot be asked for at the moment.';
  return new Problem(503, 'keys-unavailable', detail, { retryAfterSeconds: 2, cause });
}

async function bodyOf(response: Response): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    bytes += piece.length;
    if (bytes > MAX_BYTES) throw new JwksRefused(`it is longer than ${MAX_BYTES} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
