import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'vite';
import { api } from '../../api/service.ts';
import { chat } from '../../chat/service.ts';
import { identity } from '../../identity/service.ts';
import { startService, type StartedService } from '../../kit/service.ts';
import { freshDatabase } from '../../rig/fresh-database.ts';
import { streamService } from '../../stream/service.ts';
import { web } from '../service.ts';
import { startReverseProxy } from './reverse-proxy.ts';

/** Without spaces: the internal one is sent as a bearer token. */
const KEYS = {
  KEY_RING: 'a key ring for the tests of the browser, of one key',
  INTERNAL_KEY: 'an-internal-key-for-the-tests-of-the-browser',
  MEDIA_KEY: 'a-media-key-for-the-tests-of-the-browser-only',
  LEDGER_KEY: 'a-ledger-key-for-the-tests-of-the-browser-only',
};

export interface Platform {
  readonly origin: string;
  /** For downloads, screenshots and the like; gone at the end. */
  readonly folder: string;
  /** Starts another instance of chat, sends new connections there, then drains the one before. */
  replaceChat(): Promise<void>;
  /** Puts another release of the page in the place of the one before; returns what its page says of itself. */
  releaseWeb(name: string): Promise<void>;
  stop(): Promise<void>;
}

/** The whole platform with a real PostgreSQL, all of it behind one origin. The page is release `one`. */
export async function startPlatform(): Promise<Platform> {
  const folder = await mkdtemp(join(tmpdir(), 'veza-browser-'));
  const database = await freshDatabase(['identity', 'api', 'chat']);
  const proxy = await startReverseProxy();
  const [identityPort, apiPort, streamPort, firstChatPort, nextChatPort] = await freePorts(5);
  const at = (port: number | undefined): string => `http://127.0.0.1:${port ?? 0}`;
  const environment = (port: number | undefined): Record<string, string> => ({
    ...KEYS,
    PORT: String(port),
    LOG_LEVEL: 'silent',
    DATABASE_URL: database.url,
    STORAGE_URL: pathToFileURL(join(folder, 'storage')).href,
    IDENTITY_URL: at(identityPort),
    API_URL: at(apiPort),
    // The internal paths of chat, asked by api; which of its instances answers does not matter.
    CHAT_URL: proxy.origin.replace('localhost', '127.0.0.1'),
    STREAM_URL: at(streamPort),
    ALLOWED_ORIGINS: proxy.origin,
  });

  const running = new Set<StartedService>();
  const started = async (service: Promise<StartedService>): Promise<StartedService> => {
    const one = await service;
    running.add(one);
    return one;
  };
  await started(startService(identity, environment(identityPort)));
  await started(startService(streamService, environment(streamPort)));
  await started(startService(api, environment(apiPort)));
  let chatNow = await started(startService(chat, environment(firstChatPort)));
  let webNow: StartedService | null = null;
  proxy.route('/auth/', at(identityPort));
  proxy.route('/.well-known/jwks.json', at(identityPort));
  proxy.route('/api/', at(apiPort));
  proxy.route('/media/', at(streamPort));
  const routeChat = (): void => {
    proxy.route('/chat/v1/', chatNow.url);
    proxy.route('/internal/', chatNow.url);
  };
  routeChat();

  const releaseWeb = async (name: string): Promise<void> => {
    const before = webNow;
    webNow = await started(
      startService(web, {
        PORT: '0',
        LOG_LEVEL: 'silent',
        PUBLIC_FOLDER: await buildRelease(name, join(folder, `release-${name}`)),
        VEZA_DATA: join(folder, 'data'),
      }),
    );
    proxy.route('/', webNow.url);
    if (before === null) return;
    await before.stop();
    running.delete(before);
  };
  await releaseWeb('one');

  return {
    origin: proxy.origin,
    folder,
    releaseWeb,
    async replaceChat() {
      const before = chatNow;
      chatNow = await started(startService(chat, environment(nextChatPort)));
      routeChat();
      await before.stop();
      running.delete(before);
    },
    async stop() {
      await proxy.close();
      await Promise.all([...running].map((service) => service.stop()));
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The real build of the real app, which also says on its root element which release it is. */
async function buildRelease(name: string, outDir: string): Promise<string> {
  await build({
    configFile: join(import.meta.dirname, '..', 'vite.config.ts'),
    logLevel: 'error',
    build: { outDir },
    plugins: [
      {
        name: 'name-the-release',
        transform: (code, id) =>
          id.endsWith('/app/main.tsx')
            ? `${code}\ndocument.documentElement.dataset.release = ${JSON.stringify(name)};`
            : null,
      },
    ],
  });
  return outDir;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
  return ports;
}
