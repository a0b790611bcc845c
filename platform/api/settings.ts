import { z } from 'zod';
import { setting } from '../kit/settings.ts';

/** What api reads from its environment, beside what every service reads. */
export const apiSettings = z.object({
  DATABASE_URL: setting.url('postgres:', 'postgresql:'),
  DATABASE_REPLICA_URL: setting.url('postgres:', 'postgresql:').optional(),
  DATABASE_POOL: setting.integer(1, 200).default(8),
  /** false behind PgBouncer in transaction mode */
  DATABASE_PREPARE: setting.flag().default(true),
  REDIS_URL: setting.url('redis:', 'rediss:').optional(),
  STORAGE_URL: setting.url('file:', 's3:'),
  KEY_RING: z.string().optional(),
  IDENTITY_URL: setting.url('http:', 'https:').optional(),
  INTERNAL_KEY: setting.headerSecret(),
  MEDIA_KEY: setting.secret(),
  /** of the ledger of erasures; without it, IDENTITY_URL and CHAT_URL nobody can be exported or erased */
  LEDGER_KEY: setting.secret().optional(),
  CHAT_URL: setting.url('http:', 'https:').optional(),
});
