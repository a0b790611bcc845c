import type { AccessLogSettings, CertificateSource, HttpsSettings } from '../gateway-settings.ts';
import type { RateLimit } from '../route-edge.ts';
import type { Health, PublicRoute, ServiceEdge } from './platform.ts';
import type { DeclaredAccessLog, DeclaredHttps, DeclaredRateLimit } from './schema-edge.ts';
import type { DeclaredService } from './schema-service.ts';

/**
 * What `securityHeaders: true` adds: no guessing of types, no framing by other sites, no telling others more than the
 * origin (OWASP Secure Headers Project). Strict-Transport-Security is of the environment's `https`.
 */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'strict-origin-when-cross-origin',
  'x-frame-options': 'SAMEORIGIN',
  'content-security-policy': "frame-ancestors 'self'",
};

/** Guide, 13.3: what is for the platform's own eyes. */
export const HIDDEN_PATHS: readonly string[] = ['/metrics', '/health', '/healthz', '/livez', '/readyz'];

type EdgeSettings = Pick<DeclaredService, 'headers' | 'securityHeaders' | 'compress' | 'rateLimits' | 'expose'>;

/** What the gateway does for a service besides passing requests on. */
export function resolveEdge(declared: Partial<EdgeSettings>, health: Health, route: PublicRoute | null): ServiceEdge {
  const headers = new Map(Object.entries(declared.securityHeaders === true ? SECURITY_HEADERS : {}));
  for (const [name, value] of Object.entries(declared.headers ?? {})) {
    if (value === null) headers.delete(name.toLowerCase());
    else headers.set(name.toLowerCase(), value);
  }
  const exposed = new Set(declared.expose);
  return {
    headers: Object.fromEntries(headers),
    compress: declared.compress ?? true,
    rateLimits: (declared.rateLimits ?? []).map(resolveRateLimit),
    hidden: hideable(health, route).filter((path) => !exposed.has(path)),
  };
}

/**
 * Paths that are kept from users unless they are exposed: the usual ones, and those of the service's own probes. A probe
 * that asks for what the route is made of (`/`, or `/api` of a route `/api`) hides nothing, or nothing would be left.
 */
export function hideable(health: Health, route: PublicRoute | null): readonly string[] {
  const routed = route?.paths ?? [];
  const probes = probePaths(health).filter(
    (probe) => !routed.some((path) => path === probe || probe === '/' || path.startsWith(`${probe}/`)),
  );
  return [...new Set([...HIDDEN_PATHS, ...probes])];
}

function probePaths(health: Health): readonly string[] {
  return [health.startup, health.readiness, health.liveness].flatMap((probe) => {
    if (probe?.check.kind !== 'http') return [];
    const path = probe.check.path.replace(/\?.*$/, '').replace(/\/{2,}/g, '/');
    return [path.length > 1 ? path.replace(/\/$/, '') : path];
  });
}

function resolveRateLimit(declared: DeclaredRateLimit): RateLimit {
  return {
    requestsPerSecond: (declared.requests * 1_000) / (declared.window ?? 1_000),
    burst: declared.burst ?? declared.requests,
    per: declared.per ?? 'client',
    path: declared.path ?? '/',
  };
}

export const resolveAccessLog = (declared: DeclaredAccessLog | undefined): AccessLogSettings | null => {
  if (declared === undefined || declared === false) return null;
  return { addresses: declared === true ? 'truncated' : (declared.addresses ?? 'truncated') };
};

const letsEncrypt = 'https://acme-v02.api.letsencrypt.org/directory';

/** @param routes of the environment's services, whose hosts certificates are for when they name none */
export function resolveHttps(
  declared: DeclaredHttps | null | undefined,
  routes: readonly PublicRoute[],
): HttpsSettings | null {
  if (declared === undefined || declared === null) return null;
  const { hsts } = declared;
  return {
    host: declared.listen.host,
    port: declared.listen.port,
    minVersion: declared.minVersion === '1.3' ? 'TLSv1.3' : 'TLSv1.2',
    http2: declared.http2 ?? true,
    redirect: declared.redirect ?? true,
    hsts:
      hsts === undefined || hsts === false
        ? null
        : {
            maxAgeSeconds: Math.floor(((hsts === true ? undefined : hsts.maxAge) ?? 365 * 86_400_000) / 1_000),
            includeSubDomains: hsts !== true && hsts.includeSubDomains === true,
            preload: hsts !== true && hsts.preload === true,
          },
    certificates: declared.certificates.map((certificate) => resolveCertificate(certificate, routes)),
  };
}

function resolveCertificate(
  declared: DeclaredHttps['certificates'][number],
  routes: readonly PublicRoute[],
): CertificateSource {
  const routed = [...new Set(routes.flatMap((route) => route.hosts))];
  switch (declared.kind) {
    case 'files':
      return { kind: 'files', certificate: declared.certificate, key: declared.key };
    case 'development':
      return { kind: 'development', hosts: declared.hosts ?? [...new Set([...routed, 'localhost'])] };
    case 'acme':
      return {
        kind: 'acme',
        hosts: declared.hosts ?? routed.filter((host) => !host.startsWith('*.')),
        email: declared.email ?? null,
        directory: declared.directory ?? letsEncrypt,
        trust: declared.trust ?? null,
      };
  }
}
