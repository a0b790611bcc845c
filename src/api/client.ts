import type { Agent } from 'undici';
import type { z } from 'zod';
import { ControlPlaneLostError, ControlPlaneNotRunningError, VezaError } from '../errors.ts';
import { contract, type Contract } from './contract.ts';
import type { AnswerOf, Endpoint, EndpointInput, ItemOf } from './endpoint.ts';
import { fromProblem, PROBLEM_TYPE, ProblemSchema } from './problem.ts';
import { parseEventStream } from './sse-parser.ts';

export interface ClientOptions {
  readonly socketPath: string;
  /** For messages. */
  readonly stateDir: string;
  /** Who asks; ends up in the journal. */
  readonly by: string;
  /** Time without a byte (heartbeats count) after which the control plane is taken for gone. */
  readonly silenceMs?: number;
}

type PlainOperation = { [K in keyof Contract]: Contract[K]['item'] extends null ? K : never }[keyof Contract];
type StreamOperation = Exclude<keyof Contract, PlainOperation>;

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface StreamOptions<Item> extends CallOptions {
  readonly onItem: (item: Item, id: string | null) => void | Promise<void>;
  /** Go on after this item. */
  readonly lastEventId?: string | null;
}

/**
 * The API, typed by its contract. Failures are what the CLI shows: RemoteError with the problem's code, hint and exit
 * status; ControlPlaneNotRunningError when nobody listens; ControlPlaneLostError when the connection breaks. An aborted
 * signal rejects with the signal's reason.
 */
export class ApiClient {
  readonly #options: ClientOptions;
  #agent: Agent | null = null;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** One request, one answer. */
  async call<K extends PlainOperation>(
    operation: K,
    input: EndpointInput<Contract[K]>,
    options: CallOptions = {},
  ): Promise<AnswerOf<Contract[K]>> {
    const endpoint: Endpoint = contract[operation];
    return this.#guard(options.signal, async () => {
      const response = await this.#send(endpoint, input, options.signal, {});
      const text = await response.body.text();
      if (response.statusCode >= 400) throw this.#failure(response.statusCode, response.headers['content-type'], text);
      return endpoint.answer.parse(JSON.parse(text)) as AnswerOf<Contract[K]>;
    });
  }

  /** A stream of items, each handed to `onItem`; resolves to the answer at its end. */
  async stream<K extends StreamOperation>(
    operation: K,
    input: EndpointInput<Contract[K]>,
    options: StreamOptions<ItemOf<Contract[K]>>,
  ): Promise<AnswerOf<Contract[K]>> {
    const endpoint: Endpoint = contract[operation];
    const { signal, lastEventId = null } = options;
    return this.#guard(signal, async () => {
      const headers = lastEventId === null ? {} : { 'last-event-id': lastEventId };
      const response = await this.#send(endpoint, input, signal, { accept: 'text/event-stream', ...headers });
      if (response.statusCode >= 400) {
        throw this.#failure(response.statusCode, response.headers['content-type'], await response.body.text());
      }
      for await (const { event, data, id } of parseEventStream(response.body)) {
        if (event === 'item') {
          await options.onItem((endpoint.item as z.ZodType).parse(JSON.parse(data)) as ItemOf<Contract[K]>, id);
        } else if (event === 'result') return endpoint.answer.parse(JSON.parse(data)) as AnswerOf<Contract[K]>;
        else if (event === 'problem') throw fromProblem(ProblemSchema.parse(JSON.parse(data)));
      }
      throw new ControlPlaneLostError('its answer ended in the middle');
    });
  }

  async close(): Promise<void> {
    await this.#agent?.destroy();
  }

  async #send(endpoint: Endpoint, input: object, signal: AbortSignal | undefined, headers: Record<string, string>) {
    const { params, query, body } = input as {
      params?: Record<string, string>;
      query?: Record<string, string | number | boolean | readonly string[] | null | undefined>;
      body?: unknown;
    };
    const path = endpoint.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params?.[name] ?? ''));
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== null && value !== undefined) search.set(name, String(value));
    }
    // Loaded when it is needed: most of the start of a command that asks nothing would be this.
    const { Agent, request } = await import('undici');
    this.#agent ??= new Agent({
      connect: { socketPath: this.#options.socketPath },
      // An answer may take its time (a deployment waits for the journal); a stream has heartbeats.
      headersTimeout: 120_000,
      bodyTimeout: this.#options.silenceMs ?? 30_000,
    });
    return request(`http://localhost${path}${search.size === 0 ? '' : `?${search.toString()}`}`, {
      dispatcher: this.#agent,
      method: endpoint.method,
      headers: {
        accept: 'application/json',
        'x-veza-by': encodeURIComponent(this.#options.by),
        ...(endpoint.body === null ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: endpoint.body === null ? null : JSON.stringify(body ?? {}),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  #failure(status: number, type: string | string[] | undefined, text: string): VezaError {
    if (String(type).startsWith(PROBLEM_TYPE)) return fromProblem(ProblemSchema.parse(JSON.parse(text)));
    return new ControlPlaneLostError(`it answered with status ${status}: ${text.slice(0, 200)}`);
  }

  /** Turns what the socket says into what a person understands. */
  async #guard<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      signal?.throwIfAborted();
      return await work();
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      if (error instanceof VezaError) throw error;
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (code === 'ENOENT' || code === 'ECONNREFUSED') throw new ControlPlaneNotRunningError(this.#options.stateDir);
      if (SOCKET_FAILURES.has(code)) throw new ControlPlaneLostError(reasonOf(code));
      throw error;
    }
  }
}

const SOCKET_FAILURES = new Set([
  'UND_ERR_SOCKET',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
  'ECONNRESET',
  'EPIPE',
]);

const reasonOf = (code: string): string =>
  code.endsWith('_TIMEOUT') ? 'it does not answer any more' : 'the connection broke';
