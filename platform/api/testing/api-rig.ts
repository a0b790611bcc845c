import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { startService } from '../../kit/service.ts';
import { freshDatabase } from '../../rig/fresh-database.ts';
import { parseKeyRing } from '../../tokens/key-ring.ts';
import { createSigner } from '../../tokens/signer.ts';
import { api } from '../service.ts';

const RING = 'a secret of the tests that has more than 32 characters';
export const INTERNAL_KEY = 'an-internal-key-of-the-tests-of-more-than-32-characters';
export const MEDIA_KEY = 'a media key of the tests that has more than 32 characters';

/** Somebody who has logged in. */
export interface TestPerson {
  readonly id: string;
  readonly token: string;
}

export interface Asked {
  readonly json?: unknown;
  readonly body?: BodyInit | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** The body as JSON; fails when it is none. */
  json<T = Record<string, unknown>>(as?: (value: unknown) => T): T;
}

/** A running api on a database and a storage of its own. */
export interface ApiRig {
  readonly url: string;
  readonly databaseUrl: string;
  readonly storageFolder: string;
  /** A log-in, at the rig's time. */
  person(id?: string): Promise<TestPerson>;
  /** Without a person: nobody is logged in. */
  ask(person: TestPerson | null, method: string, path: string, asked?: Asked): Promise<Answer>;
  /** Declares and uploads a track. @returns its id */
  publish(person: TestPerson, track?: Partial<Declared>, audio?: Buffer): Promise<string>;
  /** SQL in the schema of api, around the service. */
  sql<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Another instance on the same database and storage. */
  another(environment?: Readonly<Record<string, string>>): Promise<{ readonly url: string; stop(): Promise<void> }>;
  stop(): Promise<void>;
}

export interface Declared {
  readonly id: string;
  readonly title: string;
  readonly language: string;
  readonly genre: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly contentType: string;
}

export function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What is declared of some audio. */
export function declare(audio: Buffer, track: Partial<Declared> = {}): Partial<Declared> {
  return {
    title: 'A song',
    language: 'en',
    genre: 'folk',
    contentType: 'audio/wav',
    bytes: audio.length,
    sha256: sha256Of(audio),
    ...track,
  };
}

/**
 * @param options.clock the service's clock; the real one unless told
 * @param options.environment beside what the rig sets
 */
export async function startApi(
  options: {
    readonly clock?: () => number;
    readonly environment?: Readonly<Record<string, string>>;
    readonly logTo?: { write(line: string): void };
  } = {},
): Promise<ApiRig> {
  const clock = options.clock ?? Date.now;
  const database = await freshDatabase(['api']);
  const storageFolder = await mkdtemp(join(tmpdir(), 'veza-api-'));
  const environment = {
    PORT: '0',
    LOG_LEVEL: options.logTo === undefined ? 'silent' : 'info',
    DATABASE_URL: database.url,
    STORAGE_URL: pathToFileURL(storageFolder).href,
    KEY_RING: RING,
    INTERNAL_KEY,
    MEDIA_KEY,
    ...options.environment,
  };
  const start = (more: Readonly<Record<string, string>> = {}) =>
    startService(
      api,
      { ...environment, ...more },
      { clock, ...(options.logTo === undefined ? {} : { logTo: options.logTo }) },
    );
  const service = await start();
  const pool = new pg.Pool({ connectionString: database.url, max: 2, options: '-c search_path=api' });
  // A database that the test kills ends idle connections, too.
  pool.on('error', () => undefined);
  const signer = createSigner(parseKeyRing(RING, 'signer'), clock);

  const rig: ApiRig = {
    url: service.url,
    databaseUrl: database.url,
    storageFolder,
    async person(id = randomUUID()) {
      return { id, token: await signer.sign({ id, sessionId: randomUUID() }) };
    },
    ask: (person, method, path, asked = {}) => ask(service.url, person, method, path, asked),
    async publish(person, track = {}, audio = Buffer.from(randomUUID())) {
      const declared = await rig.ask(person, 'POST', '/api/v1/tracks', { json: declare(audio, track) });
      const { id } = declared.json<{ id: string }>();
      const uploaded = await rig.ask(person, 'PATCH', `/api/v1/tracks/${id}/upload`, {
        headers: { 'upload-offset': '0' },
        body: new Uint8Array(audio),
      });
      if (uploaded.status !== 200) throw new Error(`uploading failed: ${uploaded.bytes.toString()}`);
      return id;
    },
    async sql<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) {
      return (await pool.query<Row>(text, [...values])).rows;
    },
    another: start,
    async stop() {
      await service.stop();
      await pool.end();
      await database.drop();
      await rm(storageFolder, { recursive: true });
    },
  };
  return rig;
}

/** A request to an instance of api. */
export async function ask(
  url: string,
  person: TestPerson | null,
  method: string,
  path: string,
  asked: Asked = {},
): Promise<Answer> {
  const headers = new Headers(asked.headers);
  if (person !== null) headers.set('authorization', `Bearer ${person.token}`);
  if (asked.json !== undefined) headers.set('content-type', 'application/json');
  const body = asked.json === undefined ? (asked.body ?? null) : JSON.stringify(asked.json);
  const response = await fetch(new URL(path, url), {
    method,
    headers,
    body,
    ...(asked.signal === undefined ? {} : { signal: asked.signal }),
    // What is sent as a stream has no length beforehand.
    ...(body instanceof ReadableStream ? { duplex: 'half' as const } : {}),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    json: <T>(as?: (value: unknown) => T) => {
      const value: unknown = JSON.parse(bytes.toString());
      return as === undefined ? (value as T) : as(value);
    },
  };
}
