export interface RateLimit {
  readonly requestsPerSecond: number;
  /** Requests that may come at once. */
  readonly burst: number;
  /** Each client has its own allowance, or all share one. */
  readonly per: 'client' | 'route';
  /** Path prefix it holds for, by whole segments; `/` is all. */
  readonly path: string;
}

/** What the router does for a service at the edge, besides passing requests on. Public listeners only. */
export interface RouteEdge {
  /** Headers that every answer gets unless the instance has set them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Compresses answers that gain by it, when the client can read it and the instance has not. */
  readonly compress: boolean;
  readonly rateLimits: readonly RateLimit[];
  /** Path prefixes by whole segments that users cannot reach (guide 13.3): answered with 404. */
  readonly hidden: readonly string[];
  /** Answered with 503 and this page instead of reaching an instance; null: open. */
  readonly maintenance: { readonly retryAfterSeconds: number; readonly html: string | null } | null;
}
