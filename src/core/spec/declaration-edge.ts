import type { Duration, UrlPath } from './declaration-values.ts';

// What the gateway does at the edge, as a person writes it.

/** Where users come in over TLS, and how. */
export interface HttpsDeclaration {
  /** Such as ":443", which is every interface. */
  readonly listen: `${string}:${number}`;
  /** Oldest version of TLS. Default "1.2". */
  readonly minVersion?: '1.2' | '1.3' | undefined;
  /** Offers HTTP/2 to users. Default true. */
  readonly http2?: boolean | undefined;
  /** The plain listener answers with a redirect to this one; what ACME asks for stays there. Default true. */
  readonly redirect?: boolean | undefined;
  /** Tells browsers to come over TLS only, which cannot be taken back before its time. True: for a year. Default false. */
  readonly hsts?: boolean | StrictTransportSecurityDeclaration | undefined;
  /** One that fits the host a user asks for is taken, the first if none does. */
  readonly certificates: readonly CertificateDeclaration[];
}

export interface StrictTransportSecurityDeclaration {
  /** Default "365d". */
  readonly maxAge?: Duration | undefined;
  /** Default false. */
  readonly includeSubDomains?: boolean | undefined;
  /** Agrees to be built into browsers (hstspreload.org). Default false. */
  readonly preload?: boolean | undefined;
}

export type CertificateDeclaration =
  | CertificateFilesDeclaration
  | DevelopmentCertificateDeclaration
  | AcmeCertificateDeclaration;

/** A certificate and its key in PEM files; a file that changes is read again. */
export interface CertificateFilesDeclaration {
  readonly kind: 'files';
  /** The certificate and those between it and its root. */
  readonly certificate: UrlPath;
  readonly key: UrlPath;
}

/** A certificate of an authority that is made on this machine: for development. */
export interface DevelopmentCertificateDeclaration {
  readonly kind: 'development';
  /** Default: the hosts of all routes, and "localhost". */
  readonly hosts?: readonly string[] | undefined;
}

/** A certificate that is fetched and renewed by itself (RFC 8555), proven over the plain listener (HTTP-01). */
export interface AcmeCertificateDeclaration {
  readonly kind: 'acme';
  /** Default: the hosts of all routes but for patterns. */
  readonly hosts?: readonly string[] | undefined;
  /** Where the authority writes to when something is wrong. */
  readonly email?: string | undefined;
  /** The authority's directory. Default: Let's Encrypt. */
  readonly directory?: `https://${string}` | undefined;
  /** PEM file of roots for a private authority's own TLS. */
  readonly trust?: UrlPath | undefined;
}

export interface AccessLogDeclaration {
  /** What is kept of a client: its network (24 bits of IPv4, 48 of IPv6), or a word that stands for it on one day. Default `truncated`. */
  readonly addresses?: 'truncated' | 'hashed' | undefined;
}

/** So many requests in so much time. */
export interface RateLimitDeclaration {
  readonly requests: number;
  /** Default "1s". */
  readonly window?: Duration | undefined;
  /** Requests that may come at once. Default: `requests`. */
  readonly burst?: number | undefined;
  /** Each client has its own allowance, or all users of the route share one. Default `client`. */
  readonly per?: 'client' | 'route' | undefined;
  /** Path prefix that it is for. Default "/", all. */
  readonly path?: UrlPath | undefined;
}
