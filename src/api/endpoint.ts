import type { z } from 'zod';

/**
 * One endpoint as data: the server routes and validates by it, the client is typed by it, and the OpenAPI document is
 * written from it.
 */
export interface Endpoint {
  /** `operationId` in the OpenAPI document. */
  readonly operation: string;
  readonly method: 'GET' | 'POST' | 'PUT';
  /** With `{name}` for parameters (RFC 6570). */
  readonly path: `/v1/${string}`;
  readonly tag: string;
  readonly summary: string;
  readonly params: z.ZodType | null;
  readonly query: z.ZodType | null;
  readonly body: z.ZodType | null;
  readonly answer: z.ZodType;
  /**
   * Set for endpoints that answer with server-sent events: `item` events of this schema, then one `result` event of the
   * answer's schema (or one `problem` event), then the end. A stream that ends without either broke.
   */
  readonly item: z.ZodType | null;
  /** Items carry ids, and `Last-Event-ID` goes on after one. */
  readonly resumable: boolean;
  /** Codes of the problems that are particular to it, besides `request-invalid` and `internal`. */
  readonly problems: readonly string[];
}

/** Keeps the literal types of an endpoint. */
export const endpoint = <const E extends Endpoint>(definition: E): E => definition;

type OutputOf<S> = S extends z.ZodType ? z.output<S> : null;

/** What a handler gets. */
export interface EndpointRequest<E extends Endpoint> {
  readonly params: OutputOf<E['params']>;
  readonly query: OutputOf<E['query']>;
  readonly body: OutputOf<E['body']>;
}

export type AnswerOf<E extends Endpoint> = z.output<E['answer']>;
export type ItemOf<E extends Endpoint> = E['item'] extends z.ZodType ? z.output<E['item']> : never;

type InputPart<S, K extends string> = S extends z.ZodType ? Readonly<Record<K, z.input<S>>> : object;
/** Queries are handed over as what they parse to; the client writes them as text. */
type QueryPart<S> = S extends z.ZodType ? { readonly query?: Partial<z.output<S>> } : object;

/** What the client takes. */
export type EndpointInput<E extends Endpoint> = InputPart<E['params'], 'params'> &
  QueryPart<E['query']> &
  InputPart<E['body'], 'body'>;
