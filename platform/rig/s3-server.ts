import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { AwsClient } from 'aws4fetch';

// MinIO, as a test tool only: its licence is the AGPL. Built once from its module, outside the tree.
const MODULE = 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c';
const binFolder = join(homedir(), '.cache', 'veza-rig', 'bin');
const ACCESS_KEY = 'rig-access-key';
const SECRET_KEY = 'rig/secret+key=of 40 characters, 2 encode';
const START_MS = 30_000;

/** A real S3 server with one empty bucket. */
export interface S3Server {
  /** For `createStorage`. */
  readonly url: string;
  /** Where it keeps what it stores. */
  readonly folder: string;
  readonly port: number;
  /** Ends it at once, as a crash does. It can be started again with `restart`. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Freezes it: connections are taken, nothing is answered. */
  pause(): void;
  resume(): void;
  /** Ends it and removes what it stored. */
  stop(): Promise<void>;
}

/**
 * Starts MinIO on loopback; builds it first (about 2 to 4 minutes) when this machine has none.
 *
 * @param folder for what it stores; a temporary one unless told
 */
export async function startS3(folder?: string): Promise<S3Server> {
  const program = await builtS3();
  const place = folder ?? (await mkdtemp(join(tmpdir(), 'veza-s3-')));
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const output: string[] = [];
  const start = async () => {
    const child = spawn(program, ['server', '--quiet', '--address', `127.0.0.1:${port}`, join(place, 'data')], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: place,
        MINIO_ROOT_USER: ACCESS_KEY,
        MINIO_ROOT_PASSWORD: SECRET_KEY,
        MINIO_BROWSER: 'off',
        MINIO_UPDATE: 'off',
      },
    });
    const exited = once(child, 'exit');
    child.stdout.on('data', (text: Buffer) => output.push(text.toString()));
    child.stderr.on('data', (text: Buffer) => output.push(text.toString()));
    const deadline = Date.now() + START_MS;
    while (!(await bucketIsThere(origin))) {
      if (child.exitCode !== null || Date.now() > deadline) {
        child.kill('SIGKILL');
        throw new Error(`MinIO did not start: ${output.join('').slice(-2_000)}`);
      }
      await sleep(50);
    }
    return { child, exited };
  };
  let running = await start();
  const kill = async (): Promise<void> => {
    // A frozen process does not die of anything but this.
    running.child.kill('SIGKILL');
    await running.exited;
  };
  return {
    url: `s3://${encodeURIComponent(ACCESS_KEY)}:${encodeURIComponent(SECRET_KEY)}@127.0.0.1:${port}/audio?region=us-east-1&tls=0`,
    folder: place,
    port,
    kill,
    async restart() {
      running = await start();
    },
    pause: () => void running.child.kill('SIGSTOP'),
    resume: () => void running.child.kill('SIGCONT'),
    async stop() {
      await kill();
      if (folder === undefined) await rm(place, { recursive: true, force: true });
    },
  };
}

/** Path of MinIO's program, built if need be. */
export async function builtS3(): Promise<string> {
  const program = join(binFolder, 'minio');
  if (!existsSync(program)) {
    await mkdir(binFolder, { recursive: true });
    await promisify(execFile)('go', ['install', '-trimpath', MODULE], {
      cwd: tmpdir(),
      env: { ...process.env, GOBIN: binFolder, GOFLAGS: '-mod=mod', CGO_ENABLED: '0' },
      timeout: 900_000,
    });
  }
  return program;
}

async function bucketIsThere(origin: string): Promise<boolean> {
  const client = new AwsClient({
    accessKeyId: ACCESS_KEY,
    secretAccessKey: SECRET_KEY,
    service: 's3',
    region: 'us-east-1',
    retries: 0,
  });
  try {
    const { status } = await client.fetch(`${origin}/audio`, { method: 'PUT', signal: AbortSignal.timeout(2_000) });
    return status === 200 || status === 409;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}
