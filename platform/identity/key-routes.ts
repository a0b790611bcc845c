import { publicKeys } from '../tokens/key-ring.ts';
import type { IdentityParts } from './parts.ts';

/** `/.well-known/jwks.json`: what others verify tokens with (RFC 7517). The same for all who ask, and never a secret. */
export function keyRoutes({ app, ring }: IdentityParts): void {
  const keys = JSON.stringify(publicKeys(ring));
  app.get('/.well-known/jwks.json', { schema: { summary: 'The public keys of access tokens' } }, (_request, reply) =>
    // A cache in between adds its time to the wait before a new key may sign.
    reply.header('cache-control', 'public, max-age=30').type('application/jwk-set+json').send(keys),
  );
}
