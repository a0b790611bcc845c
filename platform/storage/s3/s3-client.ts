import { createReadStream } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { AwsV4Signer } from 'aws4fetch';
import { Agent, errors, request } from 'undici';
import { StorageFull, StorageUnavailable } from '../errors.ts';
import type { S3Location } from './s3-url.ts';
import { textOf } from './xml.ts';

const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const CONNECT_MS = 2_000;
// Until an answer begins. S3 answers the end of a multipart upload late, and keeps the connection busy meanwhile.
const ANSWER_MS = 10_000;
// Between two pieces of an answer's body; does not count while our own reader is the slow one.
const BODY_MS = 30_000;
const TRIES = 3;
// An error's answer or a page of a list; whatever is larger is not from S3.
const MOST_TEXT_BYTES = 4 * 1024 * 1024;

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Key in the bucket; null for the bucket itself. */
  readonly key: string | null;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: S3Body;
  readonly signal: AbortSignal;
  /** How often at most; 3 unless told. */
  readonly tries?: number;
}

/** Something that can be sent again. The signature covers the hash, so that S3 refuses what was changed on the way. */
export interface S3Body {
  readonly content: Buffer | { readonly path: string };
  readonly bytes: number;
  readonly sha256: string;
}

export interface S3Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Has to be read or destroyed. */
  readonly body: Readable;
}

/** What S3 said when it refused: `NoSuchKey`. Null when it did not say. */
export interface S3Refusal {
  readonly status: number;
  readonly code: string | null;
}

/** Signed requests to one bucket, by path: `https://host/bucket/key`. Tries again what failed before an answer came, or with a 5xx. */
export class S3Client {
  readonly #location: S3Location;
  readonly #agent = new Agent({
    connect: { timeout: CONNECT_MS },
    headersTimeout: ANSWER_MS,
    bodyTimeout: BODY_MS,
    keepAliveTimeout: 10_000,
  });
  readonly #signingKeys = new Map<string, ArrayBuffer>();

  constructor(location: S3Location) {
    this.#location = location;
  }

  /** @throws StorageUnavailable when no answer comes; the signal's reason. Never because of what the answer is. */
  async send(wanted: S3Request): Promise<S3Answer> {
    const tries = wanted.tries ?? TRIES;
    for (let attempt = 1; ; attempt += 1) {
      wanted.signal.throwIfAborted();
      try {
        const answer = await this.#once(wanted);
        if (answer.status < 500 || answer.status === 507 || attempt === tries) return answer;
        await discard(answer.body);
      } catch (error) {
        if (wanted.signal.aborted) throw wanted.signal.reason;
        const timedOut = error instanceof errors.HeadersTimeoutError || error instanceof errors.ConnectTimeoutError;
        if (timedOut || attempt === tries) throw new StorageUnavailable('the S3 server does not answer', error);
      }
      // Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
      await sleep(Math.random() * 100 * 2 ** attempt, undefined, { signal: wanted.signal }).catch(() => undefined);
    }
  }

  /** Sends a request whose answer is short; a status of 400 and more is a refusal. */
  async ask(wanted: S3Request): Promise<{ readonly text: string; readonly headers: IncomingHttpHeaders } | S3Refusal> {
    const answer = await this.send(wanted);
    const text = await readText(answer.body);
    // CompleteMultipartUpload may answer 200 and then an error.
    if (answer.status < 300 && !text.includes('<Error>')) return { text, headers: answer.headers };
    return { status: answer.status, code: textOf(text, 'Code') };
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }

  async #once({ method, key, query = {}, headers = {}, body, signal }: S3Request): Promise<S3Answer> {
    const { origin, bucket, region, accessKeyId, secretAccessKey } = this.#location;
    const url = new URL(key === null ? `/${bucket}` : `/${bucket}/${key}`, origin);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const signer = new AwsV4Signer({
      method,
      url: url.href,
      headers: { ...headers, 'x-amz-content-sha256': body?.sha256 ?? EMPTY_SHA256 },
      accessKeyId,
      secretAccessKey,
      service: 's3',
      region,
      cache: this.#signingKeys,
    });
    const signed = await signer.sign();
    const stream = body === undefined || Buffer.isBuffer(body.content) ? null : createReadStream(body.content.path);
    try {
      const answer = await request(signed.url, {
        method,
        dispatcher: this.#agent,
        signal,
        headers: {
          ...Object.fromEntries(signed.headers),
          ...(body !== undefined && { 'content-length': String(body.bytes) }),
        },
        ...(body !== undefined && { body: stream ?? (body.content as Buffer) }),
      });
      return { status: answer.statusCode, headers: answer.headers, body: answer.body };
    } catch (error) {
      stream?.destroy();
      throw error;
    }
  }
}

/** The failure that a refusal stands for, when nothing better can be said. */
export function failureOf({ status, code }: S3Refusal): StorageFull | StorageUnavailable {
  const said = code === null ? `status ${status}` : `${code}, status ${status}`;
  return status === 507 || code === 'QuotaExceeded' || code === 'XMinioStorageFull'
    ? new StorageFull(`no room in the S3 bucket (${said})`)
    : new StorageUnavailable(`the S3 server refused (${said})`);
}

/** Reads a short body to its end. @throws StorageUnavailable when it breaks off */
export async function readText(body: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MOST_TEXT_BYTES) throw new StorageUnavailable('the answer of the S3 server is too long');
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof StorageUnavailable) throw error;
    throw new StorageUnavailable('the answer of the S3 server broke off', error);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function discard(body: Readable): Promise<void> {
  try {
    await readText(body);
  } catch {
    body.destroy();
  }
}
