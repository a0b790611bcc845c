import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { api } from '../../api/service.ts';
import { chat } from '../../chat/service.ts';
import { identity } from '../../identity/service.ts';
import { startService, type StartedService } from '../../kit/service.ts';
import { freshDatabase } from '../../rig/fresh-database.ts';
import { makeCatalogue } from '../../seed/catalogue.ts';
import { write } from '../../seed/write.ts';
import { createStorage } from '../../storage/create-storage.ts';
import { streamService } from '../../stream/service.ts';
import { web } from '../../web/service.ts';

export interface RunningPlatform {
  /** URLs of the services, by the path prefixes that the router gives them. */
  readonly routes: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

const quiet = { write: (): void => {} };

/** All five services in this process, with a real database that has the seeded data `tiny:1`, and a page of two files. */
export async function startPlatform(): Promise<RunningPlatform> {
  const folder = await mkdtemp(join(tmpdir(), 'veza-load-'));
  const database = await freshDatabase(['identity', 'chat', 'api']);
  const started: StartedService[] = [];
  const stop = async (): Promise<void> => {
    for (const service of started.toReversed()) await service.stop();
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const STORAGE_URL = pathToFileURL(join(folder, 'storage')).href;
    const storage = createStorage(STORAGE_URL);
    await write(makeCatalogue('tiny', 1), database.url, storage, AbortSignal.timeout(60_000));
    await storage.close();
    const PUBLIC_FOLDER = join(folder, 'public');
    await mkdir(join(PUBLIC_FOLDER, 'assets'), { recursive: true });
    const page = '<!doctype html><script type="module" src="/assets/app-1234.js"></script><div id="root"></div>';
    await writeFile(join(PUBLIC_FOLDER, 'index.html'), page);
    await writeFile(join(PUBLIC_FOLDER, 'not-found.html'), '<!doctype html>');
    await writeFile(join(PUBLIC_FOLDER, 'assets/app-1234.js'), 'document.title = "veza";\n');
    const key = (): string => randomBytes(32).toString('base64url');
    const shared = { PORT: '0', HOST: '127.0.0.1', LOG_LEVEL: 'fatal', KEY_RING: key(), INTERNAL_KEY: key() };
    const media = { MEDIA_KEY: key(), STORAGE_URL };
    const start = async (
      definition: Parameters<typeof startService>[0],
      more: Readonly<Record<string, string>>,
    ): Promise<string> => {
      const service = await startService(
        definition,
        { ...shared, DATABASE_URL: database.url, ...more },
        { logTo: quiet },
      );
      started.push(service);
      return service.url;
    };
    const identityUrl = await start(identity, {});
    const known = { IDENTITY_URL: identityUrl, LEDGER_KEY: key() };
    const apiUrl = await start(api, { ...known, ...media });
    const chatUrl = await start(chat, { ...known, API_URL: apiUrl });
    const streamUrl = await start(streamService, media);
    const webUrl = await start(web, { PUBLIC_FOLDER });
    return {
      routes: { '/auth': identityUrl, '/api': apiUrl, '/chat': chatUrl, '/media': streamUrl, '/': webUrl },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
