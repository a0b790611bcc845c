import type { FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import type { App } from '../kit/app.ts';
import type { Log } from '../kit/log.ts';
import type { Metrics } from '../kit/metrics.ts';
import type { KeyRing } from '../tokens/key-ring.ts';
import type { TokenSigner } from '../tokens/signer.ts';
import type { LoginAttempts } from './login-attempts.ts';
import type { Passwords } from './passwords.ts';
import type { People } from './people.ts';
import type { IdentityTables } from './schema.ts';
import type { Sessions } from './sessions.ts';

/** What the routes of identity are made of: put together in `service.ts`. */
export interface IdentityParts {
  readonly app: App;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Always the primary: a replica may not know yet that a session has ended. */
  readonly db: Kysely<IdentityTables>;
  readonly ring: KeyRing;
  readonly signer: TokenSigner;
  readonly people: People;
  readonly sessions: Sessions;
  readonly passwords: Passwords;
  readonly attempts: LoginAttempts;
  /** Refuses with 401 who has no valid access token. */
  readonly authenticated: (request: FastifyRequest) => Promise<void>;
  /** Refuses with 401 who is no service of the platform. */
  readonly internal: (request: FastifyRequest) => Promise<void>;
  readonly addressOf: (request: FastifyRequest) => string;
}
