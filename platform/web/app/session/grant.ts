/** What a log-in gives: kept in memory, never stored. The refresh token is a cookie that no script can read. */
export interface Grant {
  readonly accessToken: string;
  readonly personId: string;
  /** On this machine's clock, in ms. */
  readonly expiresAt: number;
}

export type SessionState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'in'; readonly personId: string }
  /** `ended`: nobody here asked for it, so the page says so. */
  | { readonly kind: 'out'; readonly ended: boolean };

/** Renewed when less than this is left, so that no request carries a token that expires on its way. */
export const RENEW_BEFORE_MS = 60_000;

export function isFresh(grant: Grant | null, now: number): grant is Grant {
  return grant !== null && grant.expiresAt - now > RENEW_BEFORE_MS;
}
