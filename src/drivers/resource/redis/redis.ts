import type { Resource } from '../../../core/spec/platform.ts';
import { ResourceUnavailableError } from '../../../errors.ts';
import type { ResourceConnection, ResourceContext, ResourceDriver, ResourceStatus } from '../resource.ts';
import { urlEnvironment } from '../url-environment.ts';
import { pingRedis, RedisRefused } from './ping.ts';

type RedisResource = Extract<Resource, { readonly kind: 'redis' }>;

const HINT =
  'Set the secret to a URL of the form redis://user:password@host:port, or rediss:// for TLS; then check that it runs.';

/** Redis, reached by a URL that is a secret. */
export function createRedis({ name, url }: RedisResource, context: ResourceContext): ResourceDriver {
  return new ExternalRedis(name, () => context.secret(url.secret));
}

/** A Redis that somebody else runs. Starting is having a PING answered; stopping leaves it alone. */
export class ExternalRedis implements ResourceDriver {
  readonly migrations = null;
  readonly #name: string;
  readonly #url: () => Promise<string>;

  /** @param url The whole URL, credentials included; asked for each time, so that a rotated one is used. */
  constructor(name: string, url: () => Promise<string>) {
    this.#name = name;
    this.#url = url;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#ping(parse(await this.#url()), signal);
  }

  async status(): Promise<ResourceStatus> {
    const url = parse(await this.#url());
    const address = url?.host ?? '(not a URL)';
    try {
      const version = await this.#ping(url, AbortSignal.timeout(6000));
      return { state: 'ready', address, pid: null, version, reason: null };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { state: 'unready', address, pid: null, version: null, reason };
    }
  }

  async connection(): Promise<ResourceConnection> {
    const url = await this.#url();
    return { url, environment: urlEnvironment('REDIS_URL', this.#name, url) };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  async #ping(url: URL | null, signal: AbortSignal): Promise<string | null> {
    if (url === null) throw new ResourceUnavailableError(this.#name, 'its address is not a URL of Redis', HINT);
    try {
      return await pingRedis(url, signal);
    } catch (error) {
      if (error instanceof RedisRefused) throw new ResourceUnavailableError(this.#name, error.message, HINT);
      throw error;
    }
  }
}

function parse(text: string): URL | null {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'redis:' || url.protocol === 'rediss:') && url.hostname !== '' ? url : null;
}
