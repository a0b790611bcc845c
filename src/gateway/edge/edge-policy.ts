import type { RateLimit, RouteEdge } from '../../core/route-edge.ts';
import type { RouteTableEntry } from '../../core/route-table.ts';
import type { AnswerEncoder, EdgeAnswer, EdgePolicy, EdgeRequest } from '../edge-policy.ts';
import { encodingFor } from './accept-encoding.ts';
import { isCompressible } from './compressible.ts';
import { createEncoder } from './encoder.ts';
import { maintenancePage, prefersJson } from './maintenance.ts';
import { PathPrefixes } from './plain-path.ts';
import type { RateLimiter, RateScope } from './rate-limiter.ts';

export interface EdgePolicyParts {
  readonly rateLimiter: RateLimiter;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** The policy of every entry that declares nothing. */
export const openPolicy: EdgePolicy = { admit: nothing, answer: nothing };

function nothing(this: void): null {
  return null;
}

/** What happens to requests of a service besides being passed on; made once for an entry of the table. */
export function createEdgePolicy(entry: RouteTableEntry, parts: EdgePolicyParts): EdgePolicy {
  const { edge } = entry;
  const guarded = edge.hidden.length > 0 || edge.rateLimits.length > 0 || edge.maintenance !== null;
  const changing = edge.compress || Object.keys(edge.headers).length > 0;
  if (!guarded && !changing) return openPolicy;
  const guard = guarded ? new Guard(entry.service, edge, parts) : null;
  const answers = changing ? new Answers(edge) : null;
  return {
    admit: guard === null ? nothing : (request) => guard.admit(request),
    answer:
      answers === null
        ? nothing
        : (request, status, headers, length) => answers.change(request, status, headers, length),
  };
}

/** Who gets in. Hidden first, so that nobody learns from a maintenance page or a limit that there is something. */
class Guard {
  readonly #hidden: PathPrefixes | null;
  readonly #maintenance: Maintenance | null;
  readonly #limits: readonly {
    readonly limit: RateLimit;
    readonly paths: PathPrefixes;
    readonly scope: RateScope;
  }[];
  readonly #parts: EdgePolicyParts;

  constructor(service: string, edge: RouteEdge, parts: EdgePolicyParts) {
    this.#parts = parts;
    this.#hidden = edge.hidden.length === 0 ? null : new PathPrefixes(edge.hidden);
    this.#maintenance = edge.maintenance === null ? null : new Maintenance(edge.maintenance);
    this.#limits = edge.rateLimits.map((limit) => ({
      limit,
      paths: new PathPrefixes([limit.path]),
      scope: parts.rateLimiter.scope(service, limit),
    }));
  }

  admit(request: EdgeRequest): EdgeAnswer | null {
    if (this.#hidden?.has(request.path) === true) return hidden;
    if (this.#maintenance !== null) return this.#maintenance.answer(request.accept ?? null);
    for (const { limit, paths, scope } of this.#limits) {
      if (!paths.has(request.path)) continue;
      const wait = this.#parts.rateLimiter.admit(scope, request.clientAddress, this.#parts.now());
      if (wait > 0) return tooMany(limit, wait);
    }
    return null;
  }
}

const problemType = 'application/problem+json';

const problem = (code: string, title: string, status: number): Buffer =>
  Buffer.from(JSON.stringify({ type: `urn:veza:gateway:${code}`, title, status }));

/** As for a path that no service has: a hidden path is not to be told from one that is not there. */
const hidden: EdgeAnswer = {
  status: 404,
  headers: ['content-type', problemType],
  body: problem('no-route', 'No service has this host and path', 404),
  code: 'hidden',
};

const tooManyBody = problem('rate-limited', 'Too many requests', 429);

/** RFC 6585, 4 and draft-ietf-httpapi-ratelimit-headers-10: the limit, and when there is room again. */
function tooMany({ requestsPerSecond, burst, per }: RateLimit, waitMs: number): EdgeAnswer {
  const seconds = String(Math.max(1, Math.ceil(waitMs / 1_000)));
  const window = Math.max(1, Math.ceil(burst / requestsPerSecond));
  return {
    status: 429,
    headers: [
      'content-type',
      problemType,
      'cache-control',
      'no-store',
      'retry-after',
      seconds,
      'ratelimit-policy',
      `"${per}";q=${burst};w=${window}`,
      'ratelimit',
      `"${per}";r=0;t=${seconds}`,
    ],
    body: tooManyBody,
    code: 'rate-limited',
  };
}

class Maintenance {
  readonly #page: EdgeAnswer;
  readonly #document: EdgeAnswer;

  constructor({ retryAfterSeconds, html }: NonNullable<RouteEdge['maintenance']>) {
    const common = ['cache-control', 'no-store', 'vary', 'accept', 'retry-after', String(retryAfterSeconds)];
    this.#page = {
      status: 503,
      headers: [
        'content-type',
        'text/html; charset=utf-8',
        ...common,
        // A page of one's own may load from its own host, which answers with this page only; nothing from elsewhere.
        'content-security-policy',
        html === null
          ? "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
          : "default-src 'self' 'unsafe-inline' data:; frame-ancestors 'none'",
        'x-content-type-options',
        'nosniff',
      ],
      body: Buffer.from(html ?? maintenancePage),
      code: 'maintenance',
    };
    this.#document = {
      status: 503,
      headers: ['content-type', problemType, ...common],
      body: problem('maintenance', 'This service is down for maintenance', 503),
      code: 'maintenance',
    };
  }

  answer(accept: string | null): EdgeAnswer {
    return prefersJson(accept) ? this.#document : this.#page;
  }
}

/** Below this many bytes, an encoding saves less than it costs: it all fits into one packet. */
const leastBytes = 1_000;

/** What becomes of an instance's answer. */
class Answers {
  readonly #compress: boolean;
  /** Names in lower case with their values. */
  readonly #declared: readonly (readonly [name: string, value: string])[];

  constructor(edge: RouteEdge) {
    this.#compress = edge.compress;
    this.#declared = Object.entries(edge.headers).map(([name, value]) => [name.toLowerCase(), value]);
  }

  change(request: EdgeRequest, status: number, headers: string[], length: number | null): AnswerEncoder | null {
    for (const [name, value] of this.#declared) {
      if (indexOf(headers, name) === -1) headers.push(name, value);
    }
    return this.#compress ? encode(request, status, headers, length) : null;
  }
}

function encode(request: EdgeRequest, status: number, headers: string[], length: number | null): AnswerEncoder | null {
  if (status === 304) {
    // Of the answer that the client has, the validator may have been weakened; a weak one fits both (RFC 9111, 4.3.4).
    if (encodingFor(request.acceptEncoding) !== null) weaken(headers);
    addVary(headers);
    return null;
  }
  if (status < 200 || status === 204 || status === 205 || status === 206) return null;
  const type = indexOf(headers, 'content-type');
  if (type === -1 || !isCompressible(headers[type] ?? '')) return null;
  addVary(headers);
  const encoding = encodingFor(request.acceptEncoding);
  if (encoding === null || (length !== null && length < leastBytes) || !mayBeChanged(headers)) return null;
  remove(headers, 'content-length');
  // Ranges would be those of the plain bytes, and whoever has half of the encoded ones could not use them.
  remove(headers, 'accept-ranges');
  remove(headers, 'content-encoding');
  headers.push('content-encoding', encoding);
  weaken(headers);
  return createEncoder(encoding);
}

/** Encoded already, not to be transformed (RFC 9111, 5.2.2.6), or with a digest of just these bytes (RFC 9530). */
function mayBeChanged(headers: readonly string[]): boolean {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const value = headers[i + 1] ?? '';
    switch ((headers[i] ?? '').toLowerCase()) {
      case 'content-encoding':
        if (value.trim() !== '' && value.trim().toLowerCase() !== 'identity') return false;
        break;
      case 'cache-control':
        if (/(?:^|[\s,])no-transform(?:$|[\s,])/i.test(value)) return false;
        break;
      case 'content-range':
      case 'content-md5':
      case 'digest':
      case 'content-digest':
      case 'repr-digest':
        return false;
    }
  }
  return true;
}

/** Says that the answer depends on `Accept-Encoding`, whichever way it was answered, or caches would mix them up. */
function addVary(headers: string[]): void {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (!isNamed(headers[i] ?? '', 'vary')) continue;
    const value = headers[i + 1] ?? '';
    if (/(?:^|[\s,])(?:\*|accept-encoding)(?:$|[\s,])/i.test(value)) return;
  }
  const vary = indexOf(headers, 'vary');
  if (vary === -1) headers.push('vary', 'accept-encoding');
  else headers[vary] = headers[vary] === '' ? 'accept-encoding' : `${headers[vary] ?? ''}, accept-encoding`;
}

/** Other bytes of the same meaning have a weak validator (RFC 9110, 8.8.1). */
function weaken(headers: string[]): void {
  const at = indexOf(headers, 'etag');
  const value = headers[at] ?? '';
  if (at !== -1 && value.startsWith('"')) headers[at] = `W/${value}`;
}

function remove(headers: string[], name: string): void {
  for (let at = indexOf(headers, name); at !== -1; at = indexOf(headers, name)) headers.splice(at - 1, 2);
}

/** Where the value of a header is, or -1. @param name in lower case */
function indexOf(headers: readonly string[], name: string): number {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (isNamed(headers[i] ?? '', name)) return i + 1;
  }
  return -1;
}

const isNamed = (written: string, name: string): boolean =>
  written.length === name.length && (written === name || written.toLowerCase() === name);
