import { z } from 'zod';
import { setting } from '../kit/settings.ts';
import { keyRingSetting } from '../tokens/key-ring-setting.ts';

/** What identity reads from its environment, beside what every service does. */
export const identitySettings = z.object({
  DATABASE_URL: setting.url('postgres:', 'postgresql:'),
  DATABASE_POOL: setting.integer(1, 200).default(8),
  DATABASE_PREPARE: setting.flag().default(true),
  /** One key signs; see docs/tokens.md. */
  KEY_RING: keyRingSetting('signer'),
  INTERNAL_KEY: setting.headerSecret(),
  /** From whom `x-forwarded-for` is believed: the router's networks. */
  TRUSTED_PROXIES: setting.list().default(['127.0.0.0/8', '::1/128']),
  /** Each takes 19 MiB and a thread of Node's pool of four. */
  PASSWORD_HASHES_AT_ONCE: setting.integer(1, 64).default(2),
  PASSWORD_HASHES_WAITING: setting.integer(0, 10_000).default(64),
});
