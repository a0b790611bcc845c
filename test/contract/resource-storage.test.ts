import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ResourceDriver } from '../../src/drivers/resource/resource.ts';
import { EmbeddedStorage } from '../../src/drivers/resource/storage/embedded.ts';
import { ExternalStorage } from '../../src/drivers/resource/storage/external.ts';
import { plainResourceContract } from './resource-common.suite.ts';
import { caught } from './resource.suite.ts';

const never = new AbortController().signal;
const SECRET = 'secret/of+a=key';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'veza-storage-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const external = (url: string): ExternalStorage => new ExternalStorage('job-queue', () => Promise.resolve(url));

plainResourceContract('embedded storage', () => {
  writeFileSync(join(folder, 'file'), '');
  return {
    driver: () => new EmbeddedStorage('job-queue', join(folder, 'resources', 'job-queue')),
    broken: () => new EmbeddedStorage('job-queue', join(folder, 'file', 'job-queue')),
    variable: 'STORAGE_URL',
    named: 'JOB_QUEUE_URL',
    version: false,
    credentials: [],
  };
});

plainResourceContract('a folder as external storage', () => ({
  driver: () => external(pathToFileURL(folder).href),
  broken: () => external(pathToFileURL(join(folder, 'missing')).href),
  variable: 'STORAGE_URL',
  named: 'JOB_QUEUE_URL',
  version: false,
  credentials: [],
}));

describe('embedded storage', () => {
  it('is a folder for this user alone, and keeps what is in it', async () => {
    const directory = join(folder, 'resources', 'media files');
    const driver: ResourceDriver = new EmbeddedStorage('media', directory);
    await driver.start(never);
    expect(statSync(directory).mode & 0o077).toBe(0);
    const { url } = await driver.connection();
    expect(fileURLToPath(url)).toBe(directory);
    writeFileSync(join(directory, 'song'), 'la');
    await driver.stop(never);
    await new EmbeddedStorage('media', directory).start(never);
    expect(readdirSync(directory)).toEqual(['song']);
  });

  it('says that it is gone, and does not make an empty one in its place until it is started', async () => {
    const directory = join(folder, 'media');
    const driver = new EmbeddedStorage('media', directory);
    await driver.start(never);
    rmSync(directory, { recursive: true });
    expect(await driver.status()).toMatchObject({ state: 'unready', reason: 'the folder is not there' });
    await driver.start(never);
    expect(await driver.status()).toMatchObject({ state: 'ready' });
  });
});

describe('a folder as external storage', () => {
  it('is never made here', async () => {
    const missing = join(folder, 'missing');
    const failed = await caught(external(pathToFileURL(missing).href).start(never));
    expect(failed.message).toContain('the folder is not there');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is tried without leaving anything', async () => {
    mkdirSync(join(folder, 'share'));
    await external(pathToFileURL(join(folder, 'share')).href).start(never);
    expect(readdirSync(join(folder, 'share'))).toEqual([]);
  });
});

// A server that answers as S3 servers are documented to; the platform's own tests use a real one.
describe('a bucket as external storage', () => {
  let server: Server;
  let status = 200;
  const asked: { method: string | undefined; url: string | undefined; authorization: string | undefined }[] = [];
  beforeAll(async () => {
    server = createServer((request, answer) => {
      asked.push({ method: request.method, url: request.url, authorization: request.headers.authorization });
      answer.writeHead(status).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = (): string => {
    const { port } = server.address() as AddressInfo;
    return `s3://access-key:${encodeURIComponent(SECRET)}@127.0.0.1:${port}/music?region=eu-west-3&tls=0`;
  };

  plainResourceContract('a bucket as external storage', () => {
    status = 200;
    return {
      driver: () => external(url()),
      broken: () => external(`s3://access-key:${encodeURIComponent(SECRET)}@127.0.0.1:1/music?tls=0`),
      variable: 'STORAGE_URL',
      named: 'JOB_QUEUE_URL',
      version: false,
      credentials: [SECRET, encodeURIComponent(SECRET), 'access-key'],
    };
  });

  it('is asked for with a signature', async () => {
    status = 200;
    asked.length = 0;
    await external(url()).start(never);
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ method: 'HEAD', url: '/music' });
    expect(asked[0]?.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=access-key\/\d{8}\/eu-west-3\/s3\/aws4_request, /,
    );
  });

  it.each([
    [403, 'the S3 server does not let the key in'],
    [404, 'there is no such bucket'],
    [301, 'the bucket is in another region'],
    [500, 'the S3 server answers 500'],
  ])('says what an answer of %i means', async (answer, reason) => {
    status = answer;
    expect((await caught(external(url()).start(never))).message).toContain(reason);
    expect((await external(url()).status()).reason).toBe(reason);
  });

  it.each([
    's3://host/bucket',
    's3://key:secret@host',
    's3://key:secret@host/x',
    'https://key:secret@host/bucket',
    'anything',
  ])('refuses an address that leads to none: %s', async (wrong) => {
    expect((await caught(external(wrong).start(never))).message).toMatch(/its address (lacks|is neither)/);
  });
});
