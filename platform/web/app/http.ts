import { Failure, failureFrom, isAbort, unreachable } from './failure.ts';
import type { Session } from './session/session.ts';

export interface Call {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: Blob;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Ends although the page is left. */
  readonly keepalive?: boolean;
}

/** Requests with the access token of the moment. */
export class Http {
  readonly #session: Session;
  readonly #fetch: typeof fetch;

  constructor(session: Session, fetcher: typeof fetch) {
    this.#session = session;
    this.#fetch = fetcher;
  }

  /**
   * Sends a request. A token that is refused is renewed once, and the request repeated: the service did nothing with it.
   *
   * @param accept statuses besides 2xx that the caller understands
   * @throws Failure, or what the signal says
   */
  async send(path: string, call: Call = {}, accept: readonly number[] = []): Promise<Response> {
    let token = await this.#session.token();
    let response = await this.#once(path, call, token);
    if (response.status === 401) {
      token = await this.#session.token(token);
      response = await this.#once(path, call, token);
    }
    if (!response.ok && !accept.includes(response.status)) throw await failureFrom(response);
    return response;
  }

  /** Sends a request and reads its answer. */
  async ask<T>(path: string, read: (body: unknown) => T, call: Call = {}): Promise<T> {
    const response = await this.send(path, call);
    const text = await response.text().catch((error: unknown) => {
      throw isAbort(error) ? error : unreachable(error);
    });
    try {
      return read(JSON.parse(text));
    } catch (error) {
      throw new Failure(response.status, 'unexpected-answer', { cause: error });
    }
  }

  async #once(path: string, call: Call, token: string): Promise<Response> {
    const { method = 'GET', json, body, headers, signal, keepalive } = call;
    try {
      return await this.#fetch(path, {
        method,
        headers: {
          accept: 'application/json',
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
          authorization: `Bearer ${token}`,
        },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
        ...(keepalive === undefined ? {} : { keepalive }),
        credentials: 'omit',
      });
    } catch (error) {
      if (isAbort(error)) throw error;
      throw unreachable(error);
    }
  }
}
