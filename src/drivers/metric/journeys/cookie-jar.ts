import { parseCookie, type Cookie } from 'undici';

/** So many cookies of one run are kept. */
const MOST_COOKIES = 100;

/**
 * The cookies of one user of one host (RFC 6265, 5.3 and 5.4). `Domain` is of no matter, for there is only this host; nor is `Secure`, for the
 * instance is asked where its router would ask it, and users come to that by TLS.
 */
export class CookieJar {
  readonly #cookies = new Map<string, { readonly name: string; readonly value: string; readonly path: string }>();

  /**
   * @param set the values of `set-cookie`
   * @param now UTC milliseconds
   */
  take(set: readonly string[], requestPath: string, now: number): void {
    for (const text of set) {
      const cookie = parseCookie(text);
      if (cookie === null || cookie.name === '') continue;
      const path = cookie.path?.startsWith('/') === true ? cookie.path : defaultPath(requestPath);
      const key = JSON.stringify([cookie.name, path]);
      if (isOver(cookie, now)) this.#cookies.delete(key);
      else if (this.#cookies.size < MOST_COOKIES || this.#cookies.has(key))
        this.#cookies.set(key, { name: cookie.name, value: cookie.value, path });
    }
  }

  /** The value of `cookie` for a request; null without any. Longer paths first. */
  header(requestPath: string): string | null {
    const path = pathOf(requestPath);
    const sent = [...this.#cookies.values()]
      .filter((cookie) => matches(path, cookie.path))
      .sort((a, b) => b.path.length - a.path.length);
    return sent.length === 0 ? null : sent.map(({ name, value }) => `${name}=${value}`).join('; ');
  }
}

const pathOf = (target: string): string => /^[^?#]*/.exec(target)?.[0] ?? target;

function defaultPath(requestPath: string): string {
  const end = pathOf(requestPath).lastIndexOf('/');
  return end <= 0 ? '/' : requestPath.slice(0, end);
}

const matches = (path: string, cookiePath: string): boolean =>
  path === cookiePath || path.startsWith(cookiePath.endsWith('/') ? cookiePath : `${cookiePath}/`);

/** `Max-Age` goes before `Expires`. */
function isOver({ maxAge, expires }: Cookie, now: number): boolean {
  if (maxAge !== undefined) return maxAge <= 0;
  return expires !== undefined && new Date(expires).getTime() <= now;
}
