import { fileURLToPath } from 'node:url';
import { ResourceUnavailableError } from '../../../errors.ts';
import type { ResourceConnection, ResourceDriver, ResourceStatus } from '../resource.ts';
import { urlEnvironment } from '../url-environment.ts';
import { whyBucketUnusable } from './bucket.ts';
import { whyUnusable } from './folder.ts';

const HINT =
  'Set the secret to s3://KEY:SECRET@host:port/bucket (?region=…, and &tls=0 without TLS), or to file:///folder; then check that it is there.';

/** Storage that somebody else keeps: a bucket of an S3 server, or a folder that several machines share. Never made here. */
export class ExternalStorage implements ResourceDriver {
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
    const reason = await whyPlaceUnusable(await this.#url(), signal);
    if (reason !== null) throw new ResourceUnavailableError(this.#name, reason, HINT);
  }

  async status(): Promise<ResourceStatus> {
    const url = await this.#url();
    const reason = await whyPlaceUnusable(url, AbortSignal.timeout(6000));
    const state = reason === null ? 'ready' : 'unready';
    return { state, address: describePlace(url), pid: null, version: null, reason };
  }

  async connection(): Promise<ResourceConnection> {
    const url = await this.#url();
    return { url, environment: urlEnvironment('STORAGE_URL', this.#name, url) };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

async function whyPlaceUnusable(text: string, signal: AbortSignal): Promise<string | null> {
  const url = URL.parse(text);
  if (url?.protocol === 'file:' && url.hostname === '') return whyUnusable(fileURLToPath(url));
  if (url?.protocol === 's3:') return whyBucketUnusable(url, signal);
  return 'its address is neither s3:// nor file://';
}

/** Host and path of a URL, for messages: no key, no secret, no parameters. */
function describePlace(text: string): string {
  const url = URL.parse(text);
  return url === null ? '(not a URL)' : `${url.host}${url.pathname}`;
}
