import { z } from 'zod';
import type { StoredImage } from '../../core/image/image.ts';
import type { ImageLayout } from './layout.ts';

const schema = z.object({ config: z.object({ Env: z.array(z.string()).nullish() }).nullish() });

/** Where programs are when a base does not say. */
const PATH = '/usr/local/bin:/usr/bin:/bin';

/** What a base sets for whatever runs on it, such as where its programs are. How it would start by itself is not taken over. */
export async function baseEnvironment(
  layout: ImageLayout,
  base: StoredImage,
): Promise<Readonly<Record<string, string>>> {
  const { config } = schema.parse(JSON.parse((await layout.read(base.config)).toString()));
  const pairs = (config?.Env ?? []).map((text): [string, string] => {
    const equals = text.indexOf('=');
    return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)];
  });
  return { PATH, ...Object.fromEntries(pairs) };
}
