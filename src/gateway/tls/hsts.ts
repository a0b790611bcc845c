import type { HttpsSettings } from '../../core/gateway-settings.ts';

/** The value of `strict-transport-security` (RFC 6797, 6.1) for answers over TLS; null when none is declared. */
export function hstsHeader(settings: Pick<HttpsSettings, 'hsts'>): string | null {
  if (settings.hsts === null) return null;
  const { maxAgeSeconds, includeSubDomains, preload } = settings.hsts;
  return `max-age=${maxAgeSeconds}${includeSubDomains ? '; includeSubDomains' : ''}${preload ? '; preload' : ''}`;
}
