import { randomInt } from 'node:crypto';
import type { RateLimit } from '../../core/route-edge.ts';
import { ClientNetwork } from './network.ts';

/** A limit of a service, and what tells it from the others; from {@link RateLimiter.scope}. */
export interface RateScope {
  readonly id: number;
  readonly perClient: boolean;
  /** Milliseconds that one request costs. */
  readonly intervalMs: number;
  /** How far ahead of time a client may be: what it may have at once, in milliseconds. */
  readonly toleranceMs: number;
}

/** What one worker has let through, for the others; plain data that goes through any channel. */
export interface RateUse {
  /** Limits, each a text that says all of it. */
  readonly scopes: readonly string[];
  /** Five numbers a client: index of the limit, family, two of the network, requests. */
  readonly clients: readonly number[];
}

export interface RateLimiterOptions {
  /** Clients that are remembered; a power of two of at least 8. Default 65,536, which takes 2 MB. */
  readonly clients?: number;
  /** Keeps others from choosing addresses that fall on each other. */
  readonly seed?: number;
}

const ways = 8;
/** Of floating point: a wait this short is none. */
const epsilonMs = 1e-6;

/**
 * Rate limits by the generic cell rate algorithm (ITU-T I.371; B. Leach, "Rate limiting, cells, and GCRA"): a client is a
 * single number, the time at which all that it has taken is paid back.
 *
 * Memory is of fixed size. A client that is not in it has its whole allowance; when there is no room, the one of eight
 * that is nearest to its whole allowance is forgotten, which costs nothing when it has been quiet for as long as its burst
 * takes to refill.
 *
 * Several workers each have one of these and tell the others what they let through. With W workers that hear of each
 * other within d seconds, a client of rate r and burst b gets in t seconds at most
 * `r·t + b + (W − 1)·(b + r·d)` requests; what was too much is owed, so the rate in the long run is r.
 */
export class RateLimiter {
  readonly #buckets: number;
  readonly #seed: number;
  readonly #scopeOf: Int32Array;
  readonly #family: Uint8Array;
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  /** Theoretical arrival time. */
  readonly #paidAt: Float64Array;
  readonly #used: Uint32Array;
  readonly #listed: Uint8Array;
  readonly #dirty: Int32Array;
  #dirtyCount = 0;
  readonly #scopes: { readonly text: string; readonly scope: RateScope }[] = [];
  readonly #scopeByText = new Map<string, RateScope>();
  readonly #network = new ClientNetwork();

  constructor({ clients = 65_536, seed = randomInt(2 ** 32) }: RateLimiterOptions = {}) {
    if (!Number.isInteger(Math.log2(clients)) || clients < ways) {
      throw new RangeError(`clients must be a power of two of at least ${ways}, not ${clients}`);
    }
    this.#buckets = clients / ways;
    this.#seed = seed;
    this.#scopeOf = new Int32Array(clients).fill(-1);
    this.#family = new Uint8Array(clients);
    this.#high = new Uint32Array(clients);
    this.#low = new Uint32Array(clients);
    this.#paidAt = new Float64Array(clients);
    this.#used = new Uint32Array(clients);
    this.#listed = new Uint8Array(clients);
    this.#dirty = new Int32Array(clients);
  }

  /** The same service and limit are the same scope, so writing a table again gives nobody a fresh allowance. */
  scope(service: string, { requestsPerSecond, burst, per, path }: RateLimit): RateScope {
    return this.#scopeFor(JSON.stringify([service, path, per, requestsPerSecond, burst]));
  }

  /**
   * Takes one request from the allowance.
   *
   * @param client address; one of IPv6 counts as its /64, because that is what one customer has (RFC 6177)
   * @param now milliseconds of a clock that never goes back
   * @returns 0, or the milliseconds after which it would be let through
   */
  admit(scope: RateScope, client: string, now: number): number {
    const network = this.#network;
    if (scope.perClient) network.read(client);
    else {
      network.family = 0;
      network.high = 0;
      network.low = 0;
    }
    const cell = this.#cell(scope.id, network.family, network.high, network.low);
    const paidAt = Math.max(this.#paidAt[cell] ?? 0, now);
    const wait = paidAt - now - scope.toleranceMs;
    if (wait > epsilonMs) return wait;
    this.#paidAt[cell] = paidAt + scope.intervalMs;
    this.#used[cell] = (this.#used[cell] ?? 0) + 1;
    if (this.#listed[cell] === 0) {
      this.#listed[cell] = 1;
      this.#dirty[this.#dirtyCount] = cell;
      this.#dirtyCount += 1;
    }
    return 0;
  }

  /** What was let through since this was asked last. */
  takeUse(): RateUse {
    const scopes: string[] = [];
    const indexOf = new Map<number, number>();
    const clients: number[] = [];
    for (let i = 0; i < this.#dirtyCount; i += 1) {
      const cell = this.#dirty[i] ?? 0;
      this.#listed[cell] = 0;
      const used = this.#used[cell] ?? 0;
      const id = this.#scopeOf[cell] ?? -1;
      this.#used[cell] = 0;
      if (used === 0) continue;
      let index = indexOf.get(id);
      if (index === undefined) {
        index = scopes.push(this.#scopes[id]?.text ?? '') - 1;
        indexOf.set(id, index);
      }
      clients.push(index, this.#family[cell] ?? 0, this.#high[cell] ?? 0, this.#low[cell] ?? 0, used);
    }
    this.#dirtyCount = 0;
    return { scopes, clients };
  }

  /** Takes what another worker let through from the allowances here. @param now as for {@link admit} */
  absorb(use: RateUse, now: number): void {
    const scopes = use.scopes.map((text) => this.#scopeFor(text));
    for (let i = 0; i + 4 < use.clients.length; i += 5) {
      const scope = scopes[use.clients[i] ?? -1];
      if (scope === undefined) continue;
      const cell = this.#cell(scope.id, use.clients[i + 1] ?? 0, use.clients[i + 2] ?? 0, use.clients[i + 3] ?? 0);
      const paidAt = Math.max(this.#paidAt[cell] ?? 0, now);
      this.#paidAt[cell] = paidAt + (use.clients[i + 4] ?? 0) * scope.intervalMs;
    }
  }

  #scopeFor(text: string): RateScope {
    const known = this.#scopeByText.get(text);
    if (known !== undefined) return known;
    const [, , per, requestsPerSecond, burst] = JSON.parse(text) as [string, string, string, number, number];
    const intervalMs = 1_000 / requestsPerSecond;
    const scope: RateScope = {
      id: this.#scopes.length,
      perClient: per === 'client',
      intervalMs,
      toleranceMs: (burst - 1) * intervalMs,
    };
    this.#scopes.push({ text, scope });
    this.#scopeByText.set(text, scope);
    return scope;
  }

  /** The place of a client: its own, a free one, or that of the client that has the least to lose. */
  #cell(scope: number, family: number, high: number, low: number): number {
    const first = (mix(this.#seed, scope, family, high, low) % this.#buckets) * ways;
    let place = first;
    for (let cell = first; cell < first + ways; cell += 1) {
      if (
        this.#scopeOf[cell] === scope &&
        this.#high[cell] === high &&
        this.#low[cell] === low &&
        this.#family[cell] === family
      ) {
        return cell;
      }
      if ((this.#paidAt[cell] ?? 0) < (this.#paidAt[place] ?? 0)) place = cell;
    }
    this.#scopeOf[place] = scope;
    this.#family[place] = family;
    this.#high[place] = high;
    this.#low[place] = low;
    this.#paidAt[place] = 0;
    this.#used[place] = 0;
    return place;
  }
}

/** MurmurHash3's mixing (A. Appleby), 32 bits. */
function mix(seed: number, scope: number, family: number, high: number, low: number): number {
  let hash = seed | 0;
  hash = round(hash, scope * 8 + family);
  hash = round(hash, high);
  hash = round(hash, low);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function round(hash: number, value: number): number {
  let k = Math.imul(value | 0, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const mixed = hash ^ Math.imul(k, 0x1b873593);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}
