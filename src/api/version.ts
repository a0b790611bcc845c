import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** Version of the product, from its package.json; the same file serves sources and what is built of them. */
export const VERSION = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))).version;
