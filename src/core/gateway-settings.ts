// How one gateway stands at the edge: where it listens, how it speaks TLS, what it writes down. Settings of one service are
// in its entry of the route table.

/** Where a certificate comes from. The hosts of one from files are those that it names itself. */
export type CertificateSource =
  | { readonly kind: 'files'; readonly certificate: string; readonly key: string }
  /** Signed by an authority that is made once in the state folder: for machines of developers. */
  | { readonly kind: 'development'; readonly hosts: readonly string[] }
  /** RFC 8555, by HTTP-01. */
  | {
      readonly kind: 'acme';
      readonly hosts: readonly string[];
      readonly email: string | null;
      /** URL of the authority's directory. */
      readonly directory: string;
      /** PEM file of roots that the directory's own TLS is checked with, besides the system's; for private authorities. */
      readonly trust: string | null;
    };

export interface StrictTransportSecurity {
  readonly maxAgeSeconds: number;
  readonly includeSubDomains: boolean;
  readonly preload: boolean;
}

export interface HttpsSettings {
  readonly host: string;
  readonly port: number;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** Offers HTTP/2 beside HTTP/1.1. */
  readonly http2: boolean;
  /** The plain listener answers with a redirect; ACME challenges stay there. */
  readonly redirect: boolean;
  readonly hsts: StrictTransportSecurity | null;
  readonly certificates: readonly CertificateSource[];
}

export interface AccessLogSettings {
  /** `truncated` keeps the network (24 bits of IPv4, 48 of IPv6); `hashed` is keyed and cannot be reversed or joined across days. */
  readonly addresses: 'truncated' | 'hashed';
}

export interface GatewaySettings {
  /** Processes that carry traffic; null is one a core. */
  readonly workers: number | null;
  readonly http: { readonly host: string; readonly port: number };
  readonly https: HttpsSettings | null;
  readonly accessLog: AccessLogSettings | null;
  /** Milliseconds that WebSockets, event streams and long transfers may live on in a process that was replaced. */
  readonly lingerMs: number;
}
