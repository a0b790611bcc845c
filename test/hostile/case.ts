// What a hostile case is, and short ways to write its bytes down. All texts are bytes: one character, one byte.

/** A request that must arrive, with exactly these end-to-end headers besides `host: a.test` and what the router adds. */
export interface ExpectedRequest {
  readonly method?: string;
  readonly target?: string;
  readonly body?: string;
  /** Name in lower case, value. `host` replaces the usual one. */
  readonly headers?: readonly (readonly [string, string])[];
  readonly trailers?: readonly (readonly [string, string])[];
}

export type Expectation =
  /** An answer with one of these, the connection closed, and nothing at the instance. */
  | { readonly kind: 'refused'; readonly statuses: readonly number[] }
  /** An answer with one of these, nothing of it at the instance, and the follow-up answered: it was understood. */
  | { readonly kind: 'declined'; readonly statuses: readonly number[] }
  /**
   * The head is good, the body is not: a request may have begun to arrive, but never ends; nothing behind it arrives, and
   * the client's connection is closed.
   */
  | { readonly kind: 'broken-off' }
  /** The request is not over: no complete request arrives until the client goes, and none after. */
  | { readonly kind: 'held' }
  /**
   * Exactly these arrive, each answered in its turn. Next: the follow-up behind them is `answered` too, or refused
   * (`refused`: what is behind them is no request), or the connection is `closed` without it, or one of the two (`either`).
   */
  | {
      readonly kind: 'passed';
      readonly requests: readonly ExpectedRequest[];
      readonly next: 'answered' | 'refused' | 'closed' | 'either';
    };

export interface HostileCase {
  readonly name: string;
  /** What goes wrong where it is read otherwise. */
  readonly why: string;
  /** RFC and section, CVE, or research by its title. */
  readonly source: string;
  readonly bytes: string;
  readonly expect: Expectation;
  /** No follow-up behind it: the case is about the end of the bytes. */
  readonly alone?: boolean;
  /** Why HAProxy does otherwise, where it does. */
  readonly haproxy?: string;
}

/** A case in which the instance answers in a way that can be read in two. */
export interface AnswerCase {
  readonly name: string;
  readonly why: string;
  readonly source: string;
  readonly method?: 'GET' | 'HEAD' | 'POST';
  /** What the instance sends. */
  readonly answer: string;
  /** Sent 30 ms behind `answer`, when the connection may be idle. */
  readonly later?: string;
  /** The instance ends the connection behind it. */
  readonly closes?: boolean;
  readonly expect:
    /** 502 of the router, nothing of the answer. */
    | { readonly kind: 'bad-gateway' }
    /** The answer begins and is broken off: the client can see that it is incomplete. */
    | { readonly kind: 'cut' }
    /** One of the two above, by whether the fault came with the head. */
    | { readonly kind: 'bad-gateway-or-cut' }
    | {
        readonly kind: 'passed';
        readonly status: number;
        readonly body: string;
        /** Must be there with exactly this value. */
        readonly headers?: readonly (readonly [string, string])[];
        /** Must not be there. */
        readonly absent?: readonly string[];
      };
  readonly haproxy?: string;
}

/** A theme of cases; one file each. */
export interface Theme {
  readonly name: string;
  readonly cases: readonly HostileCase[];
}

export const refused = (...statuses: readonly number[]): Expectation => ({
  kind: 'refused',
  statuses: statuses.length === 0 ? [400] : statuses,
});
export const brokenOff: Expectation = { kind: 'broken-off' };
export const held: Expectation = { kind: 'held' };
export const passed = (...requests: readonly ExpectedRequest[]): Expectation => ({
  kind: 'passed',
  requests: requests.length === 0 ? [{}] : requests,
  next: 'answered',
});
export const passedThen = (
  next: 'refused' | 'closed' | 'either',
  ...requests: readonly ExpectedRequest[]
): Expectation => ({ kind: 'passed', requests: requests.length === 0 ? [{}] : requests, next });

const lines = (...all: readonly string[]): string => `${all.join('\r\n')}\r\n\r\n`;

/** GET of `/hostile` with these header lines. */
export const get = (...headers: readonly string[]): string =>
  lines('GET /hostile HTTP/1.1', 'Host: a.test', ...headers);
/** POST to `/hostile` with these header lines and this body. */
export const post = (headers: readonly string[], body: string): string =>
  lines('POST /hostile HTTP/1.1', 'Host: a.test', ...headers) + body;
/** Any request line, with a good Host. */
export const line = (requestLine: string, ...headers: readonly string[]): string =>
  lines(requestLine, 'Host: a.test', ...headers);
/** Nothing but these lines. */
export const raw = lines;

export const chunked = 'Transfer-Encoding: chunked';
/** A chunked POST with this body, as it goes over the wire. */
export const postChunked = (body: string, ...headers: readonly string[]): string => post([chunked, ...headers], body);

/** The request that an attacker wants to hide. */
export const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n';
export const followUpTarget = '/follow-up';
export const followUp = `GET ${followUpTarget} HTTP/1.1\r\nHost: a.test\r\n\r\n`;
