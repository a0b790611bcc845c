/** Who signs access tokens (guide 13.2). */
export const ISSUER = 'https://api.veza.app';
/** Whom access tokens are for (guide 13.2). */
export const AUDIENCE = 'https://veza.app';
/** How long an access token is good for: 15 minutes. */
export const ACCESS_TOKEN_SECONDS = 900;
/** How far the clocks of two machines may be apart. */
export const MAX_SKEW_SECONDS = 30;

/** Whom a token speaks for. */
export interface Person {
  /** UUID; the claim `sub`. */
  readonly id: string;
  /** UUID of the log-in that the token comes from; the claim `sid`. */
  readonly sessionId: string;
}
