import { describe, expect, test } from 'vitest';
import { gatewaySettingsOf } from '../plan/gateway-settings.ts';
import { gatewaySettingsSchema } from '../gateway-settings-schema.ts';
import { parsePlatform } from './parse-platform.ts';
import type { Environment, ServiceEdge } from './platform.ts';
import { SECURITY_HEADERS } from './resolve-edge.ts';
import { changed } from './testing/wrong-config.ts';

const MINIMAL = {
  name: 'shop',
  services: { api: { source: 'api', run: 'node server.js', route: { paths: ['/'] } } },
  environments: { live: {} },
};

function parsed(change: unknown): { readonly environment: Environment; readonly warnings: readonly string[] } {
  const result = parsePlatform(changed(MINIMAL, change));
  if (!result.ok) throw new Error(result.mistakes.map(({ message }) => message).join('\n'));
  const environment = result.platform.environments['live'];
  if (environment === undefined) throw new Error('no live');
  return { environment, warnings: result.warnings.map(({ path }) => path) };
}

const edgeOf = (service: unknown, override: unknown = {}): ServiceEdge | undefined =>
  parsed({
    services: { api: service },
    environments: { live: { overrides: { api: override } } },
  }).environment.services['api']?.edge;

const target = (written: object) => parsed({ environments: { live: { target: { kind: 'process', ...written } } } });
const HTTPS = { listen: ':8443', certificates: [{ kind: 'development' }] };

describe('what users cannot reach', () => {
  test('is what the guide says, and the probes of the service itself', () => {
    expect(edgeOf({ health: { path: '/ready', liveness: { path: '/internal/alive?deep=1' } } })?.hidden).toEqual([
      '/metrics',
      '/health',
      '/healthz',
      '/livez',
      '/readyz',
      '/ready',
      '/internal/alive',
    ]);
  });

  test('is what is not exposed', () => {
    expect(edgeOf({ health: '/ready', expose: ['/ready', '/health/'] })?.hidden).toEqual([
      '/metrics',
      '/healthz',
      '/livez',
      '/readyz',
    ]);
  });

  test.each([
    ['/', ['/']],
    ['/api', ['/api']],
    ['/api', ['/api/v1']],
    ['/', ['/shop']],
  ])('is never the route itself: a probe of %s with a route of %j hides nothing', (probe, paths) => {
    expect(edgeOf({ health: probe, route: { paths } })?.hidden).not.toContain(probe);
  });

  test('may differ between environments', () => {
    expect(edgeOf({ expose: ['/health'] }, { expose: [] })?.hidden).toContain('/health');
    expect(edgeOf({ health: '/ready', expose: ['/ready'] }, { health: '/up' })?.hidden).toContain('/up');
  });
});

describe('headers', () => {
  test('securityHeaders is a set that the declaration can add to and take from', () => {
    const { headers } =
      edgeOf({ securityHeaders: true, headers: { 'X-Frame-Options': 'DENY', 'Referrer-Policy': null, 'X-A': 'b' } }) ??
      {};
    expect(headers).toEqual({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'content-security-policy': SECURITY_HEADERS['content-security-policy'],
      'x-a': 'b',
    });
  });

  test('of an override replace those of the same name in any case', () => {
    expect(edgeOf({ headers: { 'X-A': '1', 'X-B': '1' } }, { headers: { 'x-a': '2' } })?.headers).toEqual({
      'x-a': '2',
      'x-b': '1',
    });
  });
});

describe('rate limits', () => {
  test('are so many in a second for each client, all of which may come at once', () => {
    expect(edgeOf({ rateLimits: [{ requests: 10 }] })?.rateLimits).toEqual([
      { requestsPerSecond: 10, burst: 10, per: 'client', path: '/' },
    ]);
  });

  test('may be slower than one a second', () => {
    expect(
      edgeOf({ rateLimits: [{ requests: 3, window: '1m', burst: 1, per: 'route', path: '/login' }] })?.rateLimits,
    ).toEqual([{ requestsPerSecond: 0.05, burst: 1, per: 'route', path: '/login' }]);
  });
});

describe('the target', () => {
  test('that says nothing has no TLS, no access log, a worker a processor', () => {
    const { environment } = parsed({});
    expect(gatewaySettingsOf(environment.target)).toEqual({
      http: { host: '127.0.0.1', port: 8_080 },
      workers: null,
      https: null,
      accessLog: null,
      lingerMs: 3_600_000,
    });
    expect(environment.target.router).toBe('gateway');
  });

  test('with TLS has TLS 1.2, HTTP/2 and the redirect, and no HSTS', () => {
    const { environment } = target({ https: HTTPS });
    expect(environment.target.edge.https).toEqual({
      host: '0.0.0.0',
      port: 8_443,
      minVersion: 'TLSv1.2',
      http2: true,
      redirect: true,
      hsts: null,
      certificates: [{ kind: 'development', hosts: ['localhost'] }],
    });
  });

  test('may have another router', () => {
    expect(target({ router: 'haproxy' }).environment.target.router).toBe('haproxy');
  });

  test('with all of it', () => {
    const written = {
      workers: 3,
      linger: '10m',
      accessLog: { addresses: 'hashed' },
      https: {
        listen: '[::1]:443',
        minVersion: '1.3',
        http2: false,
        redirect: false,
        hsts: { maxAge: '730d', includeSubDomains: true, preload: true },
        certificates: [
          { kind: 'files', certificate: '/a.pem', key: '/b.pem' },
          {
            kind: 'acme',
            hosts: ['a.example.com'],
            email: 'ops@example.com',
            directory: 'https://ca.test/d',
            trust: '/ca.pem',
          },
        ],
      },
    };
    const { environment } = target(written);
    expect(gatewaySettingsOf(environment.target)).toEqual({
      http: { host: '127.0.0.1', port: 8_080 },
      workers: 3,
      lingerMs: 600_000,
      accessLog: { addresses: 'hashed' },
      https: {
        host: '::1',
        port: 443,
        minVersion: 'TLSv1.3',
        http2: false,
        redirect: false,
        hsts: { maxAgeSeconds: 63_072_000, includeSubDomains: true, preload: true },
        certificates: [
          { kind: 'files', certificate: '/a.pem', key: '/b.pem' },
          {
            kind: 'acme',
            hosts: ['a.example.com'],
            email: 'ops@example.com',
            directory: 'https://ca.test/d',
            trust: '/ca.pem',
          },
        ],
      },
    });
  });

  test('gives settings that the gateway takes', () => {
    for (const written of [{}, { https: HTTPS }, { https: { ...HTTPS, hsts: true }, accessLog: true, workers: 1 }]) {
      const settings = gatewaySettingsOf(target(written).environment.target);
      expect(gatewaySettingsSchema.parse(settings)).toEqual(settings);
    }
  });

  test('gets certificates for the hosts of its routes, by ACME for those that are no patterns', () => {
    const { environment, warnings } = parsed({
      services: { api: { route: { hosts: ['shop.example.com', '*.example.com'] } } },
      environments: {
        live: {
          target: { kind: 'process', listen: ':80', https: { ...HTTPS, certificates: [{ kind: 'acme' }] } },
        },
      },
    });
    expect(environment.target.edge.https?.certificates).toMatchObject([{ kind: 'acme', hosts: ['shop.example.com'] }]);
    expect(warnings).toEqual(['environments.live.target.https.certificates']);
  });

  test('is warned about when ACME cannot reach it, and of HSTS with certificates for development', () => {
    const acme = { kind: 'acme', hosts: ['a.example.com'] };
    expect(target({ https: { ...HTTPS, certificates: [acme] } }).warnings).toEqual(['environments.live.target.listen']);
    expect(target({ https: { ...HTTPS, hsts: true } }).warnings).toEqual(['environments.live.target.https.hsts']);
  });
});
