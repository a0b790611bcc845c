import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../kit/problem.ts';
import { REFRESH_TOKEN_SECONDS } from './sessions.ts';

/** `__Host-`: only this host over HTTPS can set it, so no other subdomain can plant one (RFC 6265bis section 4.1.3.2). */
const NAME = '__Host-veza-refresh';
const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'strict' } as const;

/** Programs without a browser say so: they get the refresh token in the body, and no cookie. */
export function isNative(request: FastifyRequest): boolean {
  return request.headers['veza-client'] === 'native';
}

/**
 * The refresh token that a request carries; null without one. A browser's is never taken out of the body, nor a native client's out of
 * a cookie: a script that got into a page could otherwise have the answer shown to it.
 */
export function presentedToken(request: FastifyRequest, inBody: string | undefined): string | null {
  return (isNative(request) ? inBody : request.cookies[NAME]) ?? null;
}

export function setRefreshCookie(reply: FastifyReply, refreshToken: string): void {
  reply.setCookie(NAME, refreshToken, { ...ATTRIBUTES, maxAge: REFRESH_TOKEN_SECONDS });
}

export function clearRefreshCookie(reply: FastifyReply): void {
  reply.clearCookie(NAME, ATTRIBUTES);
}

/**
 * Refuses what another site's page sent (https://www.w3.org/TR/fetch-metadata/). `SameSite=Strict` keeps the cookie back already;
 * this also keeps another site from logging somebody in under its own account.
 *
 * @throws Problem 403 `cross-site`
 */
export function sameSiteOnly(request: FastifyRequest): Promise<void> {
  const site = request.headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return Promise.resolve();
  return Promise.reject(new Problem(403, 'cross-site', 'This is answered to pages of this site alone.'));
}
