import { createCache } from '../cache/create-cache.ts';
import { createPrivateKeys } from '../cache/private-key.ts';
import { Remembered } from '../cache/remember.ts';
import { connect } from '../database/connect.ts';
import { authenticate } from '../kit/authentication.ts';
import type { RunningService, ServiceContext, ServiceDefinition } from '../kit/service.ts';
import { createStorage } from '../storage/create-storage.ts';
import { parseMediaKeys } from '../stream/signed-url.ts';
import { parseKeyRing } from '../tokens/key-ring.ts';
import { createVerifier } from '../tokens/verifier.ts';
import type { z } from 'zod';
import { audioRoutes } from './audio-routes.ts';
import { CACHE_PREFIX, createCacheKeys } from './cache-keys.ts';
import { Pools } from './discovery/pool.ts';
import { listeningRoutes } from './listening-routes.ts';
import { startPeople, type PeopleOptions } from './people.ts';
import type { ApiParts } from './parts.ts';
import { playlistRoutes } from './playlist-routes.ts';
import { profileRoutes } from './profile-routes.ts';
import { sweeping } from './removals.ts';
import type { ApiTables } from './schema.ts';
import { apiSettings } from './settings.ts';
import { trackRoutes } from './track-routes.ts';

/** Profiles, tracks, playlists, listening history, search and discovery: everything below `/api/v1`. */
export const api: ServiceDefinition<typeof apiSettings> = createApiService();

/** How erasures go on; other than in production in tests only. */
export type PeopleTuning = Pick<PeopleOptions, 'times' | 'everyMs' | 'hooks'>;

export function createApiService(tuning: PeopleTuning = {}): ServiceDefinition<typeof apiSettings> {
  return {
    name: 'api',
    settings: apiSettings,
    example: {
      DATABASE_URL: 'postgres://127.0.0.1:5432/veza',
      STORAGE_URL: 'file:///var/lib/veza',
      INTERNAL_KEY: 'an-example-of-at-least-32-characters',
      MEDIA_KEY: 'an example of at least 32 characters',
      LEDGER_KEY: 'an example of at least 32 characters',
      IDENTITY_URL: 'http://127.0.0.1:8081',
      CHAT_URL: 'http://127.0.0.1:8082',
    },
    start: (context) => start(context, tuning),
  };
}

async function start(
  context: ServiceContext<z.output<typeof apiSettings>>,
  tuning: PeopleTuning,
): Promise<RunningService> {
  const { app, settings, metrics, log, clock } = context;
  const database = connect<ApiTables>({
    url: settings.DATABASE_URL,
    replicaUrl: settings.DATABASE_REPLICA_URL,
    schema: 'api',
    pool: settings.DATABASE_POOL,
    prepare: settings.DATABASE_PREPARE,
    metrics,
    log,
  });
  const cache = createCache({
    redisUrl: settings.REDIS_URL,
    prefix: CACHE_PREFIX,
    clock,
    onChange: (away) =>
      log.warn({ dependency: 'redis', state: away ? 'away' : 'back' }, 'the cache has changed its state'),
  });
  const asked = metrics.counter({
    name: 'cache_requests_total',
    help: 'Questions to the cache, by what came of them.',
    labels: ['outcome'],
  });
  const remembered = new Remembered(cache, (outcome) => asked.inc({ outcome }));
  const cacheKeys = createCacheKeys(createPrivateKeys(settings.INTERNAL_KEY));
  const storage = createStorage(settings.STORAGE_URL);
  const verifier = createVerifier({
    ring: parseKeyRing(settings.KEY_RING),
    jwksUrl: settings.IDENTITY_URL === undefined ? null : new URL('/.well-known/jwks.json', settings.IDENTITY_URL).href,
    clock,
    metrics,
  });
  const parts: ApiParts = {
    app,
    database,
    remembered,
    cacheKeys,
    pools: new Pools({ database, remembered, cacheKeys, clock }),
    storage,
    mediaKeys: parseMediaKeys(settings.MEDIA_KEY),
    clock,
    authenticated: authenticate(verifier),
  };

  context.dependency('database', (signal) => database.check(signal), { critical: true });
  // Without identity, tokens whose key is known are still believed.
  context.dependency('keys', (signal) => verifier.check(signal), { critical: false });
  // Without audio there is still everything else, and without the cache everything is only slower.
  context.dependency('storage', (signal) => storage.check(signal), { critical: false });
  if (settings.REDIS_URL !== undefined)
    context.dependency('redis', (signal) => cache.check(signal), { critical: false });

  profileRoutes(parts);
  trackRoutes(parts);
  audioRoutes(parts);
  playlistRoutes(parts);
  listeningRoutes(parts);
  const sweeps = sweeping({ db: database.write, storage, clock, log });
  const { LEDGER_KEY: ledgerKey, IDENTITY_URL: identityUrl, CHAT_URL: chatUrl, INTERNAL_KEY: internalKey } = settings;
  const people =
    ledgerKey === undefined || identityUrl === undefined || chatUrl === undefined
      ? null
      : startPeople({ parts, cache, ledgerKey, internalKey, identityUrl, chatUrl, log, metrics, ...tuning });
  if (people === null) log.warn('nobody can be exported or erased: LEDGER_KEY, IDENTITY_URL or CHAT_URL is missing');

  return {
    async close() {
      await people?.stop();
      await sweeps.stop();
      verifier.close();
      await Promise.all([cache.close(), storage.close(), database.close()]);
    },
  };
}
