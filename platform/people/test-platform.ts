import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createApiService, type PeopleTuning } from '../api/service.ts';
import { createChatService } from '../chat/service.ts';
import { identity } from '../identity/service.ts';
import { startService, type StartedService } from '../kit/service.ts';
import { freshDatabase } from '../rig/fresh-database.ts';
import { startRedis } from '../rig/redis.ts';

/** For tests: identity, chat and api with a database, a Redis and a storage of their own. */
export interface TestPlatform {
  readonly environment: Readonly<Record<string, string>>;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly storageFolder: string;
  readonly identityUrl: string;
  readonly chatUrl: string;
  /** starts an instance of api */
  api(tuning?: PeopleTuning): Promise<StartedService>;
  register(displayName: string): Promise<{ readonly id: string; readonly token: string; readonly email: string }>;
  /** every name and content of the storage's folder */
  filesText(): Promise<string>;
  stop(): Promise<void>;
}

export const PASSWORD = 'a good long password of the tests';

export async function startTestPlatform(): Promise<TestPlatform> {
  const database = await freshDatabase(['identity', 'api', 'chat']);
  const redis = await startRedis();
  const storageFolder = await mkdtemp(join(tmpdir(), 'veza-people-'));
  const shared = {
    PORT: '0',
    LOG_LEVEL: 'silent',
    DATABASE_URL: database.url,
    KEY_RING: 'a-key-ring-of-the-tests-of-more-than-32-characters',
    INTERNAL_KEY: 'an-internal-key-of-the-tests-of-more-than-32-characters',
  };
  const identityService = await startService(identity, shared);
  const chatService = await startService(createChatService(), { ...shared, REDIS_URL: redis.url });
  const environment = {
    ...shared,
    REDIS_URL: redis.url,
    STORAGE_URL: pathToFileURL(storageFolder).href,
    MEDIA_KEY: 'a-media-key-of-the-tests-of-more-than-32-characters',
    LEDGER_KEY: 'a-ledger-key-of-the-tests-of-more-than-32-characters',
    IDENTITY_URL: identityService.url,
    CHAT_URL: chatService.url,
  };
  const started: StartedService[] = [identityService, chatService];
  return {
    environment,
    databaseUrl: database.url,
    redisUrl: redis.url,
    storageFolder,
    identityUrl: identityService.url,
    chatUrl: chatService.url,
    async api(tuning = {}) {
      const service = await startService(createApiService(tuning), environment);
      started.push(service);
      return service;
    },
    async register(displayName) {
      const email = `${randomUUID()}@people.example`;
      const answer = await fetch(`${identityService.url}/auth/v1/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email, password: PASSWORD, displayName }),
      });
      if (answer.status !== 201) throw new Error(`registering: ${answer.status} ${await answer.text()}`);
      const { accessToken, person } = (await answer.json()) as { accessToken: string; person: { id: string } };
      return { id: person.id, token: accessToken, email };
    },
    async filesText() {
      const entries = await readdir(storageFolder, { recursive: true, withFileTypes: true });
      const texts = entries.map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        return entry.isFile() ? `${path}\n${await readFile(path, 'latin1')}` : path;
      });
      return (await Promise.all(texts)).join('\n');
    },
    async stop() {
      await Promise.all(started.map((service) => service.stop()));
      await redis.stop();
      await database.drop();
      await rm(storageFolder, { recursive: true });
    },
  };
}

/** Erases by HTTP. @returns the erasure's id; null when the instance died before it answered */
export async function askForErasure(url: string, token: string, password = PASSWORD): Promise<Response | null> {
  return fetch(`${url}/api/v1/me`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ password }),
  }).catch(() => null);
}
