import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { CertificateSource, GatewaySettings } from '../../core/gateway-settings.ts';
import type { Target } from '../../core/spec/platform.ts';

/** What a target declares, or a router has in force. */
export interface StartAt {
  readonly listen: GatewaySettings['http'];
  readonly edge: Target['edge'];
}

/**
 * Where a person can begin, without a path: the encrypted address, if there is one. Where it listens on an address and not on
 * a name, that is the first host that a certificate is for, or the browser would refuse what it is shown.
 *
 * @param host that a route names; left out: that of the target
 */
export function startUrl({ listen, edge }: StartAt, host?: string): string {
  const at = edge.https ?? listen;
  const isAddress = at.host === '' || isIP(at.host) !== 0;
  const name = host ?? (isAddress ? edge.https?.certificates.flatMap(hostsOf).find(isOneName) : undefined);
  const scheme = edge.https === null ? 'http' : 'https';
  return `${scheme}://${name ?? reachable(at.host)}${edge.https?.port === 443 ? '' : `:${at.port}`}`;
}

function reachable(host: string): string {
  if (host === '' || host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

const isOneName = (host: string): boolean => !host.startsWith('*') && isIP(host) === 0;

function hostsOf(source: CertificateSource): readonly string[] {
  if (source.kind !== 'files') return source.hosts;
  try {
    const names = new X509Certificate(readFileSync(source.certificate)).subjectAltName ?? '';
    return [...names.matchAll(/(?:^|, )DNS:([^",\s]+)/g)].map(([, name = '']) => name.toLowerCase());
  } catch {
    // What is wrong with the file is a warning of the gateway.
    return [];
  }
}
