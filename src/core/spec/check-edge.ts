import type { CertificateSource } from '../gateway-settings.ts';
import { formatListenAddress } from '../units/address.ts';
import { formatDuration } from '../units/duration.ts';
import { formatPortRange } from '../units/port.ts';
import { repeated } from './check-references.ts';
import type { Declared, DeclaredEnvironmentPieces } from './declared.ts';
import { oneOf } from './issues.ts';
import { describe, mistake, type Mistake, type MistakePath } from './mistake.ts';
import { nearest } from './nearest.ts';
import type { Environment, Service } from './platform.ts';
import { hideable } from './resolve-edge.ts';
import { applyOverride, resolveHealth } from './resolve-service.ts';
import type { DeclaredOverride, DeclaredService } from './schema-service.ts';

type Settings = Partial<DeclaredService> | Partial<DeclaredOverride>;

/** What only the gateway, or only the instance, can know of an answer, and why. */
const NOT_TO_DECLARE: readonly (readonly [RegExp, string])[] = [
  [/^strict-transport-security$/, "no such header here, because `hsts` of the environment's `target.https` sets it"],
  [
    /^(?:connection|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade|content-length)$/,
    'a header of the answer; this one is about the connection, and the gateway sets it',
  ],
  [
    /^(?:content-encoding|content-range|content-type|content-location|content-digest|repr-digest|etag|last-modified|age|date|expires|location)$/,
    'a header that fits every answer; this one says something about one of them',
  ],
  [/^set-cookie$/, 'a header that fits every answer; one cookie for all users is none'],
  [/^(?:x-veza-.*|x-request-id|via|retry-after|ratelimit.*)$/, 'a header that the gateway does not set itself'],
];

/** Headers of a service, wherever they stand. */
export function checkHeaders(settings: Settings, path: MistakePath): Mistake[] {
  const seen = new Set<string>();
  return Object.keys(settings.headers ?? {}).flatMap((name) => {
    const at = [...path, 'headers', name];
    const lower = name.toLowerCase();
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/.test(name)) {
      return [mistake({ path: at, expected: 'the name of a header, such as "x-frame-options"', got: describe(name) })];
    }
    if (seen.has(lower)) return [repeated(at, name)];
    seen.add(lower);
    const reason = NOT_TO_DECLARE.find(([names]) => names.test(lower))?.[1];
    return reason === undefined ? [] : [mistake({ path: at, expected: reason, got: describe(name) })];
  });
}

/** What is exposed would otherwise be hidden: in this environment, or in another one that it is written for, too. */
export function checkExposed(declared: Declared): Mistake[] {
  return [...declared.services].flatMap(([name, piece]) => {
    const overrides = [...declared.environments].flatMap(([environment, pieces]) => {
      const override = pieces.overrides.get(name);
      return override === undefined ? [] : [{ environment, override }];
    });
    if (piece.broken.has('health') || overrides.some(({ override }) => override.broken.has('health'))) return [];
    const variants = [piece.value, ...overrides.map(({ override }) => applyOverride(piece.value, override.value))];
    const known = [...new Set(variants.flatMap((settings) => hideable(resolveHealth(settings.health), null)))];
    return [
      ...exposedIn(piece.value, ['services', name], known),
      ...overrides.flatMap(({ environment, override }) =>
        exposedIn(override.value, ['environments', environment, 'overrides', name], known),
      ),
    ];
  });
}

function exposedIn(settings: Settings, path: MistakePath, known: readonly string[]): Mistake[] {
  const exposed = settings.expose ?? [];
  return exposed.flatMap((item, index) => {
    const at = [...path, 'expose', index];
    if (exposed.indexOf(item) < index) return [repeated(at, item)];
    if (known.includes(item)) return [];
    return [
      mistake({
        path: at,
        expected: `a path that is kept from users otherwise: ${oneOf(known)}`,
        got: describe(item),
        suggestion: nearest(item, known),
      }),
    ];
  });
}

const YEAR_MS = 365 * 86_400_000;

/** `https` of a target: ports, certificates, HSTS. */
export function checkHttps(environment: Environment, pieces: DeclaredEnvironmentPieces): Mistake[] {
  const { https } = environment.target.edge;
  const written = pieces.target?.https;
  if (https === null || !written) return [];
  const { listen, ports } = environment.target;
  const path = ['environments', environment.name, 'target', 'https'];
  const mistakes: Mistake[] = [];
  if (https.port === listen.port) {
    mistakes.push(
      mistake({
        path: [...path, 'listen'],
        expected: 'another port than that of `listen`, where users come in without TLS',
        got: formatListenAddress(https),
      }),
    );
  } else if (https.port >= ports.from && https.port <= ports.to) {
    mistakes.push(
      mistake({
        path: [...path, 'listen'],
        expected: `a port outside of the environment's own range ${formatPortRange(ports)}`,
        got: formatListenAddress(https),
      }),
    );
  }
  const { hsts } = written;
  if (typeof hsts === 'object' && hsts.preload === true) {
    if (hsts.includeSubDomains !== true) {
      mistakes.push(
        mistake({
          path: [...path, 'hsts', 'includeSubDomains'],
          expected: 'true, because browsers take no other host into their lists',
          got: describe(hsts.includeSubDomains),
          suggestion: 'true',
        }),
      );
    }
    if (hsts.maxAge !== undefined && hsts.maxAge < YEAR_MS) {
      mistakes.push(
        mistake({
          path: [...path, 'hsts', 'maxAge'],
          expected: 'a year at least, because browsers take no other host into their lists',
          got: formatDuration(hsts.maxAge),
          suggestion: '365d',
        }),
      );
    }
  }
  return [...mistakes, ...checkCertificates(https.certificates, [...path, 'certificates'])];
}

function checkCertificates(certificates: readonly CertificateSource[], path: MistakePath): Mistake[] {
  const owners = new Map<string, number>();
  return certificates.flatMap((certificate, index) => {
    if (certificate.kind === 'files') return [];
    const at = [...path, index, 'hosts'];
    if (certificate.hosts.length === 0) {
      return [
        mistake({
          path: at,
          expected: 'the hosts that the certificate is for, because no route names one',
          got: 'nothing',
        }),
      ];
    }
    return certificate.hosts.flatMap((host, place) => {
      const owner = owners.get(host);
      if (owner === index) return [repeated([...at, place], host)];
      if (owner !== undefined) {
        return [
          mistake({
            path: at,
            expected: 'hosts that no other certificate is for',
            got: `${describe(host)}, as in \`certificates[${owner}]\``,
          }),
        ];
      }
      owners.set(host, index);
      if (certificate.kind !== 'acme' || !host.startsWith('*.')) return [];
      return [
        mistake({
          path: [...at, place],
          expected: 'a host without `*`, because HTTP-01 proves one host at a time',
          got: describe(host),
        }),
      ];
    });
  });
}

/** What one router can and another cannot. */
export function checkRouter(environment: Environment): Mistake[] {
  const { router, edge } = environment.target;
  if (router !== 'haproxy') return [];
  const path = ['environments', environment.name, 'target'];
  const mistakes: Mistake[] = [];
  if (edge.accessLog !== null) {
    mistakes.push(
      mistake({
        path: [...path, 'accessLog'],
        expected: 'the router `gateway` for an access log, because HAProxy would write personal data into its own',
        got: 'the router `haproxy`',
      }),
    );
  }
  for (const [index, { kind }] of (edge.https?.certificates ?? []).entries()) {
    if (kind === 'files') continue;
    mistakes.push(
      mistake({
        path: [...path, 'https', 'certificates', index, 'kind'],
        expected: '`files`, because the router `haproxy` takes certificates from nowhere else',
        got: describe(kind),
      }),
    );
  }
  return mistakes;
}

/** What works and is probably not meant. */
export function warnOfHttps(environment: Environment): Mistake[] {
  const { listen, edge } = environment.target;
  if (edge.https === null) return [];
  const path = ['environments', environment.name, 'target'];
  const { certificates, hsts } = edge.https;
  const found: Mistake[] = [];
  if (certificates.some((certificate) => certificate.kind === 'acme') && listen.port !== 80) {
    found.push(
      mistake({
        path: [...path, 'listen'],
        expected: 'port 80, where ACME looks, unless something passes it on to here',
        got: formatListenAddress(listen),
      }),
    );
  }
  if (hsts !== null && certificates.some((certificate) => certificate.kind === 'development')) {
    found.push(
      mistake({
        path: [...path, 'https', 'hsts'],
        expected: 'no HSTS with a certificate for development, which browsers then refuse without a way around',
        got: 'both of them',
      }),
    );
  }
  found.push(...warnOfHosts(environment, certificates, [...path, 'https', 'certificates']));
  return found;
}

function warnOfHosts(
  { services }: Environment,
  certificates: readonly CertificateSource[],
  path: MistakePath,
): Mistake[] {
  // What a file is for stands in the file.
  if (certificates.some((certificate) => certificate.kind === 'files')) return [];
  const covered = certificates.flatMap((certificate) => (certificate.kind === 'files' ? [] : certificate.hosts));
  const routed = new Set(Object.values(services).flatMap((service: Service) => service.route?.hosts ?? []));
  const open = [...routed].filter(
    (host) => !covered.some((name) => name === host || (name.startsWith('*.') && isBelow(host, name))),
  );
  if (open.length === 0) return [];
  return [mistake({ path, expected: `a certificate for ${oneOf(open)}`, got: 'none' })];
}

const isBelow = (host: string, pattern: string): boolean =>
  host.endsWith(pattern.slice(1)) && !host.slice(0, -pattern.length + 1).includes('.');
