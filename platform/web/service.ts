import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '../kit/service.ts';
import { AssetShelf } from './serve/asset-shelf.ts';
import { readRelease } from './serve/release-files.ts';
import { serve } from './serve/routes.ts';
import { settings } from './settings.ts';

const HOUR_MS = 3_600_000;

/** Serves the single-page app: its page, its assets, and those of earlier releases. Knows no other service. */
export const web: ServiceDefinition<typeof settings> = {
  name: 'web',
  settings,
  async start(context) {
    const { app, log, clock } = context;
    const { VEZA_DATA, PUBLIC_FOLDER, ASSETS_KEEP_DAYS, ASSETS_KEEP_RELEASES } = context.settings;
    const folder = PUBLIC_FOLDER ?? builtFolder();
    const release = await readRelease(folder);
    if (VEZA_DATA === undefined) {
      serve(app, { release, findOld: () => Promise.resolve(null) });
      return {};
    }

    const shelf = new AssetShelf({
      folder: VEZA_DATA,
      keepMs: ASSETS_KEEP_DAYS * 24 * HOUR_MS,
      keepSets: ASSETS_KEEP_RELEASES,
      clock,
    });
    // Before the first request: a page of this release may ask an instance of another for its assets.
    const keepShelf = async (): Promise<void> => {
      await shelf.tidy(await shelf.add(join(folder, 'assets')));
    };
    await keepShelf();
    const hourly = setInterval(() => {
      keepShelf().catch((error: unknown) => {
        log.warn({ error }, 'the shelf of old assets could not be tidied');
      });
    }, HOUR_MS);
    serve(app, { release, findOld: (name) => shelf.find(name) });
    return {
      close() {
        clearInterval(hourly);
        return Promise.resolve();
      },
    };
  },
};

/** Beside the bundle; run from source, where the build puts it. */
function builtFolder(): string {
  const beside = fileURLToPath(new URL('public/', import.meta.url));
  return existsSync(join(beside, 'index.html'))
    ? beside
    : fileURLToPath(new URL('../dist/web/public/', import.meta.url));
}
