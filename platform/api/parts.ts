import type { FastifyRequest } from 'fastify';
import type { Remembered } from '../cache/remember.ts';
import type { Database } from '../database/connect.ts';
import type { App } from '../kit/app.ts';
import type { ObjectStorage } from '../storage/object-storage.ts';
import type { MediaKeys } from '../stream/signed-url.ts';
import type { CacheKeys } from './cache-keys.ts';
import type { Pools } from './discovery/pool.ts';
import type { ApiTables } from './schema.ts';

/** What the routes of api are made of: put together in `service.ts`, and in tests. */
export interface ApiParts {
  readonly app: App;
  readonly database: Database<ApiTables>;
  readonly remembered: Remembered;
  readonly cacheKeys: CacheKeys;
  readonly pools: Pools;
  readonly storage: ObjectStorage;
  readonly mediaKeys: MediaKeys;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Refuses with 401 who has no valid access token. */
  readonly authenticated: (request: FastifyRequest) => Promise<void>;
}
