import { normalizeHost } from '../matcher.ts';

export interface RedirectRequest {
  /** Value of the Host header, or authority of an absolute target; null when there is none. */
  readonly host: string | null;
  /** Request target as sent: origin or absolute form. */
  readonly target: string;
}

/**
 * Where a request of the plain listener is sent instead: the same host, path and query over HTTPS, with status 308 so that
 * a POST stays one (RFC 9110, 15.4.9). Null when there is nothing to redirect to: a host that no route and no certificate
 * knows (else the gateway would send users wherever a Host header says), or a target that cannot stand in a URL.
 *
 * @param httpsPort port that users reach; 443 is left out
 * @param isOurs whether a host, in lower case and without port, is one of the platform's
 */
export function httpsLocation(
  { host, target }: RedirectRequest,
  httpsPort: number,
  isOurs: (host: string) => boolean,
): string | null {
  let authority = host ?? '';
  let path = target;
  if (!target.startsWith('/')) {
    const absolute = /^https?:\/\/([^/?#]+)([^#]*)$/i.exec(target);
    if (absolute === null) return null;
    authority = absolute[1] ?? '';
    const rest = absolute[2] ?? '';
    path = rest.startsWith('/') ? rest : `/${rest}`;
  }
  // Visible ASCII without a fragment; what is no part of a URL is written so that it means the same to every reader.
  if (!/^\/[!-~]*$/.test(path) || path.includes('#')) return null;
  const name = normalizeHost(authority);
  if (!isHostName(name) || !isOurs(name)) return null;
  return `https://${name}${httpsPort === 443 ? '' : `:${httpsPort}`}${path.replaceAll(/["<>\\^`{|}]/g, (character) => encodeURIComponent(character))}`;
}

const isHostName = (name: string): boolean =>
  name.length <= 253 &&
  /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:.]+\])$/.test(name);

/** Whether one of some hosts, exact or `*.` patterns, is this one. */
export function hostMatcher(hosts: Iterable<string>): (host: string) => boolean {
  const exact = new Set<string>();
  const parents: string[] = [];
  for (const host of hosts) {
    const name = normalizeHost(host);
    if (name.startsWith('*.')) parents.push(name.slice(1));
    else exact.add(name);
  }
  return (host) => exact.has(host) || parents.some((parent) => host.endsWith(parent) && host.length > parent.length);
}
