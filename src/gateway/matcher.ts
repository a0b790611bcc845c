import type { RouteTableEntry } from '../core/route-table.ts';

/** Finds the service for a host and a path; built once per table, never changed. */
export interface Matcher {
  /**
   * @param host value of the Host header, with or without a port
   * @param path request target up to the `?`
   */
  match(host: string, path: string): RouteTableEntry | null;
}

interface PathRule {
  readonly prefix: string;
  readonly entry: RouteTableEntry;
}

/**
 * The most specific host wins (exact, then the longest wildcard, then a route without hosts), below it the longest path
 * prefix by whole segments: `/api` takes `/api` and `/api/x`, not `/apix`. A host without a fitting path falls back to
 * the next less specific one. Paths are compared as they were sent: dot segments and percent-encoding are for the
 * instance to resolve. Two services that claim the same host and path: the first by name has it.
 */
export function buildMatcher(entries: Iterable<RouteTableEntry>): Matcher {
  const exact = new Map<string, PathRule[]>();
  const wildcard = new Map<string, PathRule[]>();
  const anyHost: PathRule[] = [];
  const byName = [...entries].sort((a, b) => (a.service < b.service ? -1 : a.service > b.service ? 1 : 0));
  for (const entry of byName) {
    if (entry.public === null) continue;
    const rules = (entry.public.paths.length === 0 ? ['/'] : entry.public.paths).map((path) => ({
      prefix: withoutTrailingSlash(path),
      entry,
    }));
    if (entry.public.hosts.length === 0) anyHost.push(...rules);
    for (const pattern of entry.public.hosts) {
      const host = normalizeHost(pattern);
      if (host === '*') anyHost.push(...rules);
      else if (host.startsWith('*.')) append(wildcard, host.slice(2), rules);
      else append(exact, host, rules);
    }
  }
  for (const rules of [...exact.values(), ...wildcard.values(), anyHost]) {
    // Sorting is stable, so of two equal prefixes the first by name stays first.
    rules.sort((a, b) => b.prefix.length - a.prefix.length);
  }

  /** Rules to look at for a host, the most specific first. */
  function rulesFor(hostHeader: string): readonly (readonly PathRule[])[] {
    const host = normalizeHost(hostHeader);
    const found: (readonly PathRule[])[] = [];
    const own = exact.get(host);
    if (own !== undefined) found.push(own);
    if (wildcard.size > 0) {
      for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
        const wild = wildcard.get(host.slice(dot + 1));
        if (wild !== undefined) found.push(wild);
      }
    }
    found.push(anyHost);
    return found;
  }

  // The hosts that were asked for last, by their length: most requests are for very few.
  const lately = Array.from({ length: latelyKept }, () => ({ host: '', rules: rulesFor('') }));
  return {
    match(host, path) {
      const place = lately[host.length % latelyKept];
      if (place === undefined) return null;
      if (place.host !== host) {
        place.rules = rulesFor(host);
        place.host = host;
      }
      for (const rules of place.rules) {
        const found = matchPath(rules, path);
        if (found !== null) return found;
      }
      return null;
    },
  };
}

const latelyKept = 8;

function append(map: Map<string, PathRule[]>, key: string, rules: readonly PathRule[]): void {
  const present = map.get(key);
  if (present === undefined) map.set(key, [...rules]);
  else present.push(...rules);
}

function matchPath(rules: readonly PathRule[], path: string): RouteTableEntry | null {
  for (const { prefix, entry } of rules) {
    if (prefix === '') return entry;
    if (path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === slash)) {
      return entry;
    }
  }
  return null;
}

const slash = 0x2f;

const withoutTrailingSlash = (path: string): string => path.replace(/\/+$/, '');

/** Lower case, without port and without the dot that ends a fully qualified name. */
export function normalizeHost(host: string): string {
  let end = host.length;
  if (host.startsWith('[')) {
    const bracket = host.indexOf(']');
    if (bracket !== -1) end = bracket + 1;
  } else {
    const colon = host.indexOf(':');
    if (colon !== -1) end = colon;
  }
  if (end > 0 && host.charCodeAt(end - 1) === 0x2e) end -= 1;
  return host.slice(0, end).toLowerCase();
}
