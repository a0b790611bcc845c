export type RefusalReason =
  | 'expired'
  | 'not-yet-valid'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'algorithm'
  | 'unknown-key'
  | 'malformed'
  | 'too-large';

/** Thrown for a token that is not believed. Says why to logs and metrics; it carries nothing of the token. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason) {
    super(`the access token was refused: ${reason}`);
    this.reason = reason;
  }
}
