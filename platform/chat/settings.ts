import { z } from 'zod';
import { setting } from '../kit/settings.ts';

/** What chat reads from its environment, beside what every service reads. */
export const chatSettings = z.object({
  DATABASE_URL: setting.url('postgres:', 'postgresql:'),
  DATABASE_POOL: setting.integer(1, 200).default(8),
  /** false behind PgBouncer in transaction mode */
  DATABASE_PREPARE: setting.flag().default(true),
  /** straight to PostgreSQL, for LISTEN, when DATABASE_URL leads to a PgBouncer; not used with REDIS_URL */
  DATABASE_LISTEN_URL: setting.url('postgres:', 'postgresql:').optional(),
  REDIS_URL: setting.url('redis:', 'rediss:').optional(),
  KEY_RING: z.string().optional(),
  IDENTITY_URL: setting.url('http:', 'https:').optional(),
  /** where names of people come from */
  API_URL: setting.url('http:', 'https:').optional(),
  INTERNAL_KEY: setting.headerSecret(),
  /** of pages that may open WebSockets; any when absent */
  ALLOWED_ORIGINS: setting.list().optional(),
  /** of a person by one instance; for load tests */
  CHAT_MESSAGES_PER_SECOND: setting.integer(1, 100_000).default(10),
});
export type ChatSettings = z.output<typeof chatSettings>;
