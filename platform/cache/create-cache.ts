import type { Cache } from './cache.ts';
import { InProcessCache } from './in-process.ts';
import { RedisCache } from './redis.ts';

/**
 * The cache that a service uses: Redis when one is attached, its own memory otherwise.
 *
 * @param options.redisUrl REDIS_URL
 * @param options.prefix before every key in Redis: `veza:api:`
 * @param options.onChange told when Redis stops answering, and when it answers again
 */
export function createCache(options: {
  readonly redisUrl: string | undefined;
  readonly prefix: string;
  readonly clock: () => number;
  readonly onChange?: (away: boolean) => void;
}): Cache {
  const { redisUrl, ...rest } = options;
  return redisUrl === undefined
    ? new InProcessCache({ clock: options.clock })
    : new RedisCache({ url: redisUrl, ...rest });
}
