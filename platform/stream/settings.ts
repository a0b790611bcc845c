import { z } from 'zod';
import { setting } from '../kit/settings.ts';
import { isStorageUrl } from '../storage/create-storage.ts';
import { parseMediaKeys } from './signed-url.ts';

/** What the stream service reads from its environment, beside what every service does. */
export const streamSettings = z.object({
  STORAGE_URL: z.string().refine(isStorageUrl, 'must be file:///folder or s3://KEY:SECRET@host:port/bucket'),
  /** keys that signed URLs are checked with: one, or two with a comma between while one replaces the other */
  MEDIA_KEY: z.string().refine(areMediaKeys, 'must be a text of at least 32 characters, or two with a comma between'),
  /** bodies being sent at the same time; each holds an open file or a connection to the S3 server */
  STREAM_LIMIT: setting.integer(1, 100_000).default(512),
  /** a client that takes nothing for so long is cut off; a player that was paused asks again, from where it was */
  STREAM_STALLED_MS: setting.integer(100, 3_600_000).default(120_000),
});

function areMediaKeys(text: string): boolean {
  try {
    return parseMediaKeys(text).accepted.length > 0;
  } catch {
    return false;
  }
}
