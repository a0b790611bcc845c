/** How long the body of a message is, settled once by the parser and never looked at again. */
export type BodyLength =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  /** Chunked in HTTP/1.1, until END_STREAM in HTTP/2. */
  | { readonly kind: 'open' };

/** The head of a request, checked, whatever protocol carried it. */
export interface ClientRequest {
  readonly method: string;
  /** As sent in HTTP/1.1 (origin or absolute form); `:path` in HTTP/2. */
  readonly target: string;
  /** Of the client's protocol: decides about 100, 103, trailers and chunked answers. */
  readonly version: '1.0' | '1.1' | '2';
  /** Name as sent, value without surrounding space, name, value ... In HTTP/2 without pseudo-headers, `:authority` as `host`. */
  readonly headers: readonly string[];
  /** The names of `headers` in lower case: `names[i]` is that of `headers[2 * i]`. */
  readonly names: readonly string[];
  readonly body: BodyLength;
  /** The client waits for `100 Continue`. */
  readonly expectsContinue: boolean;
  /** What `Upgrade` asks for when `Connection` names it; null otherwise and in HTTP/2. */
  readonly upgrade: string | null;
}
