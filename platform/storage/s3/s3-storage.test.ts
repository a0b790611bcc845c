import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startS3, type S3Server } from '../../rig/s3-server.ts';
import { createStorage } from '../create-storage.ts';
import { ObjectCorrupt, StorageFull, StorageUnavailable } from '../errors.ts';
import type { ObjectStorage } from '../object-storage.ts';
import { PIECE_BYTES } from '../spool.ts';
import { storageContract } from '../storage.contract.ts';
import { bodyOf, brokenAfter, contentOf, never, noise, sha256Of, until } from '../testing.ts';
import { S3Client } from './s3-client.ts';
import { listPages, remove } from './s3-pieces.ts';
import { parseS3Url } from './s3-url.ts';
import { textsOf } from './xml.ts';

const audio = { contentType: 'audio/mpeg', signal: never };

let server: S3Server;
beforeAll(async () => {
  server = await startS3();
}, 900_000);
afterAll(async () => {
  await server.stop();
});

/** Everything in the bucket, what storage keeps for itself included. */
async function everything(url: string): Promise<string[]> {
  const client = new S3Client(parseS3Url(new URL(url)));
  const names: string[] = [];
  for await (const { name } of listPages(client, '', never)) names.push(name);
  await client.close();
  return names;
}

async function unfinished(url: string): Promise<string[]> {
  const client = new S3Client(parseS3Url(new URL(url)));
  // MinIO lists those of a key alone.
  const query = { uploads: '', prefix: 'tracks/one' };
  const answer = await client.ask({ method: 'GET', key: null, query, signal: never });
  await client.close();
  return 'text' in answer ? textsOf(answer.text, 'UploadId') : [];
}

async function empty(url: string): Promise<void> {
  const client = new S3Client(parseS3Url(new URL(url)));
  const names = await everything(url);
  for (let at = 0; at < names.length; at += 50) {
    await Promise.all(names.slice(at, at + 50).map((name) => remove(client, name, never)));
  }
  await client.close();
}

describe('objects in an S3 bucket', () => {
  storageContract(() => {
    const [storage, other] = [createStorage(server.url), createStorage(server.url)];
    return Promise.resolve({
      storage,
      other,
      async end() {
        expect(await unfinished(server.url)).toEqual([]);
        await Promise.all([storage.close(), other.close()]);
        await empty(server.url);
      },
    });
  });

  test('leaves nothing behind: no pieces of an upload, no parts of a body that broke off, no files', async () => {
    const before = await spools();
    const storage = createStorage(server.url);
    await storage.begin('tracks/one', audio);
    await storage.append('tracks/one', 0, bodyOf(noise(PIECE_BYTES + 1)), { signal: never });
    await storage.finish('tracks/one', { sha256: sha256Of(noise(PIECE_BYTES + 1)), signal: never });
    await expect(storage.put('tracks/two', brokenAfter(noise(PIECE_BYTES + 1)), audio)).rejects.toThrow();
    expect(await everything(server.url)).toEqual(['tracks/one']);
    await storage.close();
    expect(await spools()).toEqual(before);
    await empty(server.url);
  });
});

async function spools(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith(`veza-storage-${process.pid}-`)).toSorted();
}

describe('an S3 server that is away', () => {
  let storage: ObjectStorage;
  afterEach(async () => {
    await storage.close();
    await empty(server.url);
  });

  test('is unavailable within seconds, and is back when it is', async () => {
    storage = createStorage(server.url);
    await storage.put('tracks/one', bodyOf('here'), audio);
    await server.kill();
    const began = performance.now();
    await expect(storage.check(never)).rejects.toThrow(StorageUnavailable);
    await expect(storage.head('tracks/one', never)).rejects.toThrow(StorageUnavailable);
    await expect(storage.get('tracks/one', { signal: never })).rejects.toThrow(StorageUnavailable);
    await expect(storage.put('tracks/one', bodyOf('there'), audio)).rejects.toThrow(StorageUnavailable);
    expect(performance.now() - began).toBeLessThan(10_000);
    await server.restart();
    await storage.check(never);
    expect((await contentOf(await storage.get('tracks/one', { signal: never }))).toString()).toBe('here');
  });

  test('breaks a reading off with an error, never with an end', async () => {
    storage = createStorage(server.url);
    await storage.put('tracks/one', bodyOf(noise(32 * 1024 * 1024)), audio);
    const reading = await storage.get('tracks/one', { signal: never });
    const chunks = reading?.body.iterator();
    await chunks?.next();
    await server.kill();
    const rest = (async () => {
      for (let next = await chunks?.next(); next?.done === false; next = await chunks?.next());
    })();
    await expect(rest).rejects.toThrow(ObjectCorrupt);
    await server.restart();
  });

  test('that answers nothing is waited for no longer than the signal says', async () => {
    storage = createStorage(server.url);
    await storage.put('tracks/one', bodyOf('here'), audio);
    server.pause();
    try {
      const leaving = new AbortController();
      const gone = new Error('left');
      const asked = storage.get('tracks/one', { signal: leaving.signal });
      leaving.abort(gone);
      await expect(asked).rejects.toBe(gone);
    } finally {
      server.resume();
    }
    await until(
      () =>
        storage.check(never).then(
          () => true,
          () => false,
        ),
      'it is back',
    );
  });

  test('keeps an upload over its crash', async () => {
    storage = createStorage(server.url);
    await storage.begin('tracks/one', audio);
    await storage.append('tracks/one', 0, bodyOf('one '), { signal: never });
    await server.kill();
    await expect(storage.append('tracks/one', 4, bodyOf('two'), { signal: never })).rejects.toThrow(StorageUnavailable);
    await server.restart();
    expect(await storage.uploaded('tracks/one', never)).toBe(4);
    await storage.append('tracks/one', 4, bodyOf('two'), { signal: never });
    await storage.finish('tracks/one', { sha256: sha256Of('one two'), signal: never });
  });
});

test.each([
  ['with another secret', (url: URL) => (url.password = 'another-secret-of-the-right-length')],
  ['with a key that nobody has', (url: URL) => (url.username = 'nobody')],
  ['with a bucket that is not there', (url: URL) => (url.pathname = '/another')],
])('an address %s is unavailable, in words without secrets', async (_how, change) => {
  const url = new URL(server.url);
  change(url);
  const storage = createStorage(url.href);
  const failures = await Promise.all([
    storage.check(never).catch((error: unknown) => error),
    storage.get('tracks/one', { signal: never }).catch((error: unknown) => error),
    storage.put('tracks/one', bodyOf('x'), audio).catch((error: unknown) => error),
  ]);
  for (const failure of failures) {
    expect(failure).toBeInstanceOf(StorageUnavailable);
    expect(String(failure)).not.toMatch(/secret|rig-access/);
  }
  await storage.close();
});

test('a full disk under the S3 server is said to be one, and what was there stays', async () => {
  const disk = await mkdtemp(join(tmpdir(), 'veza-s3-disk-'));
  await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', disk]);
  let small: S3Server | undefined;
  try {
    small = await startS3(disk);
    const storage = createStorage(small.url);
    const before = noise(20_000_000, 1);
    await storage.put('tracks/one', bodyOf(before), audio);
    // MinIO looks at its disk once a second: until then it fails in the middle, and calls that an internal error.
    let stored = 0;
    const refused = async (): Promise<unknown> => {
      const storing = storage.put(`tracks/more-${stored}`, bodyOf(noise(6_000_000, 2)), audio);
      const failure: unknown = await storing.then(
        () => null,
        (error: unknown) => error,
      );
      if (failure === null) stored += 1;
      else expect(await storage.head(`tracks/more-${stored}`, never)).toBeNull();
      return failure;
    };
    await until(async () => (await refused()) instanceof StorageFull, 'it is full', 60_000);
    expect(sha256Of(await contentOf(await storage.get('tracks/one', { signal: never })))).toBe(sha256Of(before));
    await storage.close();
  } finally {
    await small?.stop();
    await promisify(execFile)('umount', [disk]);
    await rm(disk, { recursive: true, force: true });
  }
}, 120_000);

// What a real server does not do when it is asked to: answer wrongly.
describe('a server that misbehaves', () => {
  let wrong: Server;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let storage: ObjectStorage;
  beforeAll(async () => {
    wrong = createServer((request, response) => answer(request, response)).listen(0, '127.0.0.1');
    await once(wrong, 'listening');
    storage = createStorage(`s3://key:secret@127.0.0.1:${(wrong.address() as AddressInfo).port}/audio?tls=0`);
  });
  afterAll(async () => {
    await storage.close();
    wrong.closeAllConnections();
    wrong.close();
  });

  test('with fewer bytes than it said is found out', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '100', etag: '"x"' });
      response.write('only this');
      setImmediate(() => response.destroy());
    };
    const reading = await storage.get('tracks/one', { signal: never });
    await expect(contentOf(reading)).rejects.toThrow(ObjectCorrupt);
  });

  test('with another range than was asked for is found out', async () => {
    answer = (_request, response) =>
      void response.writeHead(200, { 'content-length': '9', etag: '"x"' }).end('the whole');
    const range = { first: 0, last: 2 };
    await expect(storage.get('tracks/one', { range, signal: never })).rejects.toThrow(StorageUnavailable);
  });

  test('with a failure is asked again, at most three times', async () => {
    let asked = 0;
    answer = (_request, response) => {
      asked += 1;
      if (asked < 3) response.writeHead(503).end('<Error><Code>SlowDown</Code></Error>');
      else response.writeHead(200, { 'content-length': '4', etag: '"x"' }).end('here');
    };
    expect((await contentOf(await storage.get('tracks/one', { signal: never }))).toString()).toBe('here');
    asked = -10;
    await expect(storage.get('tracks/one', { signal: never })).rejects.toThrow('SlowDown, status 503');
    expect(asked).toBe(-7);
  });

  test('with no room is full', async () => {
    answer = (request, response) => {
      request.resume();
      response.writeHead(507).end('<Error><Code>XMinioStorageFull</Code></Error>');
    };
    await expect(storage.put('tracks/one', bodyOf('x'), audio)).rejects.toThrow(StorageFull);
  });

  test('with an error in an answer of 200 has not stored anything', async () => {
    answer = (request, response) => {
      request.resume().on('end', () => {
        if (request.url?.endsWith('uploads=') === true) {
          response.end('<R><UploadId>an id</UploadId></R>');
        } else if (request.method === 'POST') response.end('<Error><Code>InternalError</Code></Error>');
        else response.writeHead(200, { etag: '"part"' }).end();
      });
    };
    await expect(storage.put('tracks/one', bodyOf(noise(PIECE_BYTES + 1)), audio)).rejects.toThrow('InternalError');
  });
});
