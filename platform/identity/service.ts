import cookie from '@fastify/cookie';
import { connect } from '../database/connect.ts';
import { authenticate, internalOnly } from '../kit/authentication.ts';
import type { ServiceDefinition } from '../kit/service.ts';
import { createSigner } from '../tokens/signer.ts';
import { createVerifier } from '../tokens/verifier.ts';
import { clientAddress } from './client-address.ts';
import { internalRoutes } from './internal-routes.ts';
import { keyRoutes } from './key-routes.ts';
import { LoginAttempts } from './login-attempts.ts';
import { Passwords } from './passwords.ts';
import { People } from './people.ts';
import type { IdentityTables } from './schema.ts';
import { sessionRoutes } from './session-routes.ts';
import { Sessions } from './sessions.ts';
import { identitySettings } from './settings.ts';
import { WorkQueue } from './work-queue.ts';

const SWEEP_MS = 60_000;

/** Who somebody is: registers, logs in and out, refreshes sessions, signs access tokens and publishes their keys. */
export const identity: ServiceDefinition<typeof identitySettings> = {
  name: 'identity',
  settings: identitySettings,
  example: {
    DATABASE_URL: 'postgres://127.0.0.1:5432/veza',
    KEY_RING: 'an example of at least 32 characters',
    INTERNAL_KEY: 'an-example-of-at-least-32-characters',
  },
  async start(context) {
    const { settings, app, log, metrics, clock } = context;
    const database = connect<IdentityTables>({
      url: settings.DATABASE_URL,
      schema: 'identity',
      pool: settings.DATABASE_POOL,
      prepare: settings.DATABASE_PREPARE,
      metrics,
      log,
    });
    const db = database.write;
    const ring = settings.KEY_RING;
    const queue = new WorkQueue({
      atOnce: settings.PASSWORD_HASHES_AT_ONCE,
      waiting: settings.PASSWORD_HASHES_WAITING,
    });
    metrics.gauge({
      name: 'queue_jobs',
      help: 'What waits and runs in a bounded queue.',
      labels: ['queue', 'state'],
      collect(gauge) {
        gauge.set({ queue: 'password-hashing', state: 'running' }, queue.running);
        gauge.set({ queue: 'password-hashing', state: 'waiting' }, queue.waiting);
      },
    });
    const sessions = new Sessions(db, clock);
    const attempts = new LoginAttempts(db, clock, settings.INTERNAL_KEY);
    const parts = {
      app,
      log,
      metrics,
      db,
      ring,
      signer: createSigner(ring, clock),
      people: new People(db, clock),
      sessions,
      passwords: new Passwords(queue),
      attempts,
      authenticated: authenticate(createVerifier({ ring, jwksUrl: null, clock, metrics })),
      internal: internalOnly(settings.INTERNAL_KEY),
      addressOf: clientAddress(settings.TRUSTED_PROXIES),
    };
    await app.register(cookie);
    keyRoutes(parts);
    sessionRoutes(parts);
    internalRoutes(parts);
    context.dependency('database', (signal) => database.check(signal), { critical: true });

    const sweeping = setInterval(() => {
      Promise.all([attempts.sweep(), sessions.sweep()]).catch((error: unknown) =>
        log.warn({ error }, 'what has expired could not be deleted'),
      );
    }, SWEEP_MS).unref();
    return {
      async close() {
        clearInterval(sweeping);
        await database.close();
      },
    };
  },
};
