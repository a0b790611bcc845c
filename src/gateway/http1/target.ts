import { isAuthority } from './field-rules.ts';

/** The two parts of an absolute target: `http://a:80/x?y` is `a:80` and `/x?y`. */
export interface AbsoluteTarget {
  readonly authority: string;
  /** As an origin would send it: begins with `/`. */
  readonly path: string;
}

/**
 * Reads a target in absolute form (RFC 9112, 3.2.2): http or https, no user.
 *
 * @returns null when it is not one
 */
export function readAbsoluteTarget(target: string): AbsoluteTarget | null {
  const scheme = target.slice(0, 8).toLowerCase();
  const from = scheme.startsWith('http://') ? 7 : scheme === 'https://' ? 8 : 0;
  if (from === 0) return null;
  let to = from;
  while (to < target.length && target[to] !== '/' && target[to] !== '?') to += 1;
  const authority = target.slice(from, to);
  if (!isAuthority(authority)) return null;
  return { authority, path: target[to] === '/' ? target.slice(to) : `/${target.slice(to)}` };
}
