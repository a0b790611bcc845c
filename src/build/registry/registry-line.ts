import { Readable } from 'node:stream';
import { rootCertificates } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request, type Dispatcher } from 'undici';
import { z } from 'zod';
import { isLoopbackRegistry } from '../../core/image/reference.ts';
import { RegistryRefusedError, RegistryUnreachableError } from '../../errors.ts';
import { basic, readChallenge, type Credentials } from './authorization.ts';

export interface RegistryAccess {
  readonly credentials: Credentials | null;
  /** PEM of an authority, besides those that are known; null for none. */
  readonly authority: string | null;
}

export interface RegistryAsk {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT';
  /** Below `/v2/`, or what the registry gave as a location. */
  readonly path: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Called anew for each attempt. */
  readonly body?: () => AsyncIterable<Uint8Array> | Uint8Array;
  /** What is an answer, and not an error. */
  readonly expected: readonly number[];
}

export interface RegistryAnswer {
  readonly status: number;
  header(name: string): string | null;
  /** All of the body. @throws RegistryRefusedError when it is longer than a document may be */
  bytes(): Promise<Buffer>;
  stream(): AsyncIterable<Buffer>;
}

const attempts = 4;
const firstPauseMs = 250;
const elsewhere: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Manifests are of kilobytes; the specification asks registries to take 4 MiB. */
const longestDocument = 4 * 1024 * 1024;
const errorSchema = z.object({
  errors: z.array(z.object({ code: z.string(), message: z.string().optional() })).min(1),
});
const tokenSchema = z.object({ token: z.string().optional(), access_token: z.string().optional() });

/**
 * The line to one repository of a registry: TLS, who we are, patience with what passes. A registry that is not on this machine is
 * never spoken to without TLS, and a password goes to nobody but the registry and the one that it names for tokens.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md
 */
export class RegistryLine {
  readonly #registry: string;
  readonly #repository: string;
  readonly #access: RegistryAccess;
  readonly #dispatcher: Agent;
  readonly #origin: string;
  #authorization: string | null = null;

  constructor(registry: string, repository: string, access: RegistryAccess) {
    this.#registry = registry;
    this.#repository = repository;
    this.#access = access;
    this.#origin = `${isLoopbackRegistry(registry) && access.authority === null ? 'http' : 'https'}://${registry}`;
    this.#dispatcher = new Agent({
      connect: {
        timeout: 10_000,
        ...(access.authority === null ? {} : { ca: [...rootCertificates, access.authority] }),
      },
      headersTimeout: 60_000,
      bodyTimeout: 60_000,
    });
  }

  /** Where a location that the registry gave is. */
  at(location: string): URL {
    return new URL(location, this.#origin);
  }

  close(): Promise<void> {
    return this.#dispatcher.destroy();
  }

  /**
   * Asks, again after a pause when the line broke or the registry had trouble of its own.
   *
   * @throws RegistryUnreachableError, RegistryRefusedError
   */
  async ask(ask: RegistryAsk, signal: AbortSignal): Promise<RegistryAnswer> {
    let url = new URL(typeof ask.path === 'string' ? `/v2/${this.#repository}/${ask.path}` : ask.path, this.#origin);
    let turns = 0;
    for (let attempt = 1; ; attempt += 1) {
      let answer: Dispatcher.ResponseData;
      try {
        answer = await this.#once(url, ask, signal);
        if (answer.statusCode === 401 && (await this.#identify(answer, signal)))
          answer = await this.#once(url, ask, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof RegistryRefusedError) throw error;
        const broken = error instanceof Error ? error : new Error(String(error));
        // A certificate does not get better by asking again.
        if (attempt === attempts || /certificate/i.test(broken.message))
          throw new RegistryUnreachableError(this.#registry, broken);
        await this.#pause(attempt, null, signal);
        continue;
      }
      if (ask.expected.includes(answer.statusCode)) return this.#answer(url, answer);
      const { location } = answer.headers;
      // Blobs are often kept in an object store.
      if (ask.method === 'GET' && elsewhere.has(answer.statusCode) && typeof location === 'string' && turns < 3) {
        await answer.body.dump();
        url = new URL(location, url);
        turns += 1;
        continue;
      }
      const passing = answer.statusCode === 429 || answer.statusCode >= 500;
      if (!passing || attempt === attempts) throw await this.#refusal(ask.method, url, answer);
      const after = Number(answer.headers['retry-after']);
      await answer.body.dump();
      await this.#pause(attempt, Number.isFinite(after) ? after : null, signal);
    }
  }

  #once(url: URL, { method, headers = {}, body }: RegistryAsk, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    // A registry may keep its blobs elsewhere; who we are is no business of theirs.
    const authorization =
      this.#authorization !== null && url.origin === this.#origin ? { authorization: this.#authorization } : {};
    const content = body?.() ?? null;
    return request(url, {
      dispatcher: this.#dispatcher,
      method,
      headers: { 'user-agent': 'veza-deploy', ...headers, ...authorization },
      body: content === null || content instanceof Uint8Array ? content : Readable.from(content, { objectMode: false }),
      signal,
    });
  }

  async #pause(attempt: number, seconds: number | null, signal: AbortSignal): Promise<void> {
    await sleep(Math.min(30_000, seconds === null ? firstPauseMs * 2 ** (attempt - 1) : seconds * 1_000), undefined, {
      signal,
    });
  }

  /** Finds out how to say who we are. Returns whether it is worth asking again. */
  async #identify(answer: Dispatcher.ResponseData, signal: AbortSignal): Promise<boolean> {
    const header = answer.headers['www-authenticate'];
    const challenge = readChallenge((Array.isArray(header) ? header[0] : header) ?? '');
    const { credentials } = this.#access;
    if (challenge === null || (challenge.kind === 'basic' && credentials === null)) return false;
    let fresh: string;
    if (challenge.kind === 'basic') fresh = basic(credentials ?? { username: '', password: '' });
    else {
      const realm = new URL(challenge.realm);
      if (realm.protocol !== 'https:' && !isLoopbackRegistry(realm.host)) return false;
      if (challenge.service !== null) realm.searchParams.set('service', challenge.service);
      realm.searchParams.set('scope', challenge.scope ?? `repository:${this.#repository}:pull,push`);
      const given = await request(realm, {
        dispatcher: this.#dispatcher,
        headers: credentials === null ? {} : { authorization: basic(credentials) },
        signal,
      });
      if (given.statusCode !== 200) throw await this.#refusal('GET', realm, given);
      const { token, access_token: other } = tokenSchema.parse(await given.body.json());
      fresh = `Bearer ${token ?? other ?? ''}`;
    }
    // The same again would be refused again.
    if (fresh === this.#authorization) return false;
    this.#authorization = fresh;
    await answer.body.dump();
    return true;
  }

  #answer(url: URL, { statusCode, headers, body }: Dispatcher.ResponseData): RegistryAnswer {
    const registry = this.#registry;
    return {
      status: statusCode,
      header: (name) => {
        const value = headers[name];
        return (Array.isArray(value) ? value[0] : value) ?? null;
      },
      stream: () => body as AsyncIterable<Buffer>,
      bytes: async () => {
        const chunks: Buffer[] = [];
        let length = 0;
        for await (const chunk of body as AsyncIterable<Buffer>) {
          length += chunk.byteLength;
          if (length > longestDocument)
            throw new RegistryRefusedError(registry, `GET ${url.pathname}`, 'it is larger than 4 MiB', null);
          chunks.push(chunk);
        }
        return Buffer.concat(chunks);
      },
    };
  }

  async #refusal(method: string, url: URL, answer: Dispatcher.ResponseData): Promise<RegistryRefusedError> {
    const text = (await answer.body.text().catch(() => '')).slice(0, longestDocument);
    let said = '';
    try {
      const { errors } = errorSchema.parse(JSON.parse(text));
      said = errors.map(({ code, message }) => `${code}${message === undefined ? '' : ` (${message})`}`).join(', ');
    } catch {
      said = text.replaceAll(/\s+/g, ' ').slice(0, 200);
    }
    const why = `${answer.statusCode}${said === '' ? '' : ` ${said}`}`;
    return new RegistryRefusedError(this.#registry, `${method} ${url.pathname}`, why, answer.statusCode);
  }
}
