import type { Resource } from '../../core/spec/platform.ts';
import { createPostgres } from './postgres/postgres.ts';
import { createRedis } from './redis/redis.ts';
import type { ResourceContext, ResourceDriver } from './resource.ts';
import { createStorage } from './storage/storage.ts';

/** The driver for a declared resource. */
export function createResourceDriver(resource: Resource, context: ResourceContext): ResourceDriver {
  switch (resource.kind) {
    case 'postgres':
      return createPostgres(resource, context);
    case 'redis':
      return createRedis(resource, context);
    case 'storage':
      return createStorage(resource, context);
  }
}
