import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { ChecksumMismatch, LengthMismatch, ObjectChanged, StorageUnavailable } from '../errors.ts';
import { assertKey, assertPrefix, isKey } from '../key.ts';
import type {
  AppendOptions,
  BeginOptions,
  FinishOptions,
  GetOptions,
  ObjectHead,
  ObjectReading,
  ObjectStorage,
  PutOptions,
  StoredObject,
} from '../object-storage.ts';
import { assertRange } from '../ranges.ts';
import { spool, type Spooled } from '../spool.ts';
import { untilAborted, Uploads } from '../uploads.ts';
import { checkedBody } from './s3-body.ts';
import { failureOf, readText, S3Client } from './s3-client.ts';
import { bufferBody, listPages, remove, S3Pieces } from './s3-pieces.ts';
import type { S3Location } from './s3-url.ts';
import { escapeXml, textOf } from './xml.ts';

// To give up a multipart upload though the one who wanted it is gone.
const ABORT_MS = 10_000;

/** Objects in a bucket of an S3 server. Parts of large ones wait on the local disk, one of 8 MiB for each that is being put. */
export class S3Storage implements ObjectStorage {
  readonly #client: S3Client;
  readonly #pieces: S3Pieces;
  readonly #uploads: Uploads;

  constructor(location: S3Location) {
    this.#client = new S3Client(location);
    this.#pieces = new S3Pieces(this.#client);
    this.#uploads = new Uploads(this.#pieces, this);
  }

  async put(key: string, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<StoredObject> {
    assertKey(key);
    const { signal } = options;
    const hash = createHash('sha256');
    const content = counted(untilAborted(body, signal), options.bytes);
    const folder = await this.#pieces.spoolFolder();
    const parts = spool(content.chunks, { folder, keepBroken: false, onChunk: (chunk) => hash.update(chunk) });
    let multipart: Multipart | undefined;
    try {
      for await (const part of parts) {
        const sha256 = part.last ? checkedHash(hash.digest('hex'), options) : null;
        if (part.last) content.check();
        if (multipart === undefined && sha256 !== null) {
          return { bytes: part.bytes, etag: await this.#putWhole(key, part, sha256, options) };
        }
        multipart ??= await this.#beginMultipart(key, options);
        multipart.etags.push(await this.#putPart(multipart, part, signal));
      }
      if (multipart === undefined) throw new Error('a body has at least one piece');
      return { bytes: content.bytes(), etag: await this.#complete(multipart, signal) };
    } catch (error) {
      if (multipart !== undefined) await this.#abandon(multipart);
      throw error;
    }
  }

  async get(key: string, { range, etag, signal }: GetOptions): Promise<ObjectReading | null> {
    assertKey(key);
    const answer = await this.#client.send({
      method: 'GET',
      key,
      headers: {
        ...(range !== undefined && { range: `bytes=${range.first}-${range.last}` }),
        ...(etag !== undefined && { 'if-match': `"${etag}"` }),
      },
      signal,
    });
    if (answer.status !== 200 && answer.status !== 206) {
      const refusal = { status: answer.status, code: textOf(await readText(answer.body), 'Code') };
      if (refusal.code === 'NoSuchKey') return null;
      if (refusal.status === 412) throw new ObjectChanged();
      if (refusal.status === 416) throw new RangeError('no range of the object');
      throw failureOf(refusal);
    }
    const length = Number(answer.headers['content-length']);
    const total = /\/(\d+)$/.exec(answer.headers['content-range'] ?? '')?.[1];
    const head = headOf(answer.headers, answer.status === 206 ? Number(total) : length);
    try {
      if (range !== undefined) assertRange(range, head.bytes);
      if (range !== undefined && length !== range.last - range.first + 1) {
        throw new StorageUnavailable('the S3 server sent another range than was asked for');
      }
    } catch (error) {
      answer.body.on('error', () => undefined).destroy();
      throw error;
    }
    return { ...head, body: checkedBody(answer.body, length, signal) };
  }

  async head(key: string, signal: AbortSignal): Promise<ObjectHead | null> {
    assertKey(key);
    const answer = await this.#client.ask({ method: 'HEAD', key, signal });
    if ('text' in answer) return headOf(answer.headers, Number(answer.headers['content-length']));
    if (answer.status === 404) return null;
    throw failureOf(answer);
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    assertKey(key);
    await this.#pieces.removeUpload(key, signal);
    await remove(this.#client, key, signal);
  }

  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<string> {
    assertPrefix(prefix);
    for await (const { name } of listPages(this.#client, prefix, signal)) {
      if (isKey(name)) yield name;
    }
  }

  begin(key: string, options: BeginOptions): Promise<void> {
    return this.#uploads.begin(key, options);
  }

  uploaded(key: string, signal: AbortSignal): Promise<number | null> {
    return this.#uploads.uploaded(key, signal);
  }

  append(key: string, offset: number, body: AsyncIterable<Uint8Array>, options: AppendOptions): Promise<number> {
    return this.#uploads.append(key, offset, body, options);
  }

  finish(key: string, options: FinishOptions): Promise<StoredObject> {
    return this.#uploads.finish(key, options);
  }

  abort(key: string, signal: AbortSignal): Promise<void> {
    return this.#uploads.abort(key, signal);
  }

  async check(signal: AbortSignal): Promise<void> {
    const answer = await this.#client.ask({ method: 'HEAD', key: null, signal, tries: 1 });
    if (!('text' in answer)) throw failureOf(answer);
  }

  async close(): Promise<void> {
    await this.#client.close();
    await this.#pieces.close();
  }

  async #putWhole(key: string, part: Spooled, sha256: string, options: PutOptions): Promise<string> {
    const answer = await this.#client.ask({
      method: 'PUT',
      key,
      headers: { 'content-type': options.contentType, 'x-amz-meta-sha256': sha256 },
      body: { content: { path: part.path }, bytes: part.bytes, sha256: part.sha256 },
      signal: options.signal,
    });
    if (!('text' in answer)) throw failureOf(answer);
    return etagOf(answer.headers);
  }

  async #beginMultipart(key: string, { contentType, sha256, signal }: PutOptions): Promise<Multipart> {
    const headers = { 'content-type': contentType, ...(sha256 !== undefined && { 'x-amz-meta-sha256': sha256 }) };
    const answer = await this.#client.ask({ method: 'POST', key, query: { uploads: '' }, headers, signal });
    if (!('text' in answer)) throw failureOf(answer);
    const uploadId = textOf(answer.text, 'UploadId');
    if (uploadId === null) throw new StorageUnavailable('the S3 server began an upload without an id');
    return { key, uploadId, etags: [] };
  }

  async #putPart({ key, uploadId, etags }: Multipart, part: Spooled, signal: AbortSignal): Promise<string> {
    const query = { partNumber: String(etags.length + 1), uploadId };
    const body = { content: { path: part.path }, bytes: part.bytes, sha256: part.sha256 };
    const answer = await this.#client.ask({ method: 'PUT', key, query, body, signal });
    if (!('text' in answer)) throw failureOf(answer);
    return etagOf(answer.headers);
  }

  async #complete({ key, uploadId, etags }: Multipart, signal: AbortSignal): Promise<string> {
    const parts = etags.map((etag, index) => {
      return `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`;
    });
    const xml = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
    const body = bufferBody(Buffer.from(xml));
    const answer = await this.#client.ask({ method: 'POST', key, query: { uploadId }, body, signal });
    if (!('text' in answer)) throw failureOf(answer);
    const etag = textOf(answer.text, 'ETag');
    if (etag === null) throw new StorageUnavailable('the S3 server ended an upload without an etag');
    return etag.replaceAll('"', '');
  }

  // What cannot be given up now is left to the bucket's rule for incomplete uploads; the first failure is the one to tell.
  async #abandon({ key, uploadId }: Multipart): Promise<void> {
    try {
      const signal = AbortSignal.timeout(ABORT_MS);
      await this.#client.ask({ method: 'DELETE', key, query: { uploadId }, signal });
    } catch {
      // see above
    }
  }
}

interface Multipart {
  readonly key: string;
  readonly uploadId: string;
  readonly etags: string[];
}

function counted(
  body: AsyncIterable<Uint8Array>,
  expected: number | undefined,
): { readonly chunks: AsyncIterable<Uint8Array>; bytes(): number; check(): void } {
  let bytes = 0;
  const check = (): void => {
    if (expected !== undefined && bytes !== expected) throw new LengthMismatch(expected, bytes);
  };
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (expected !== undefined && bytes > expected) check();
      yield chunk;
    }
  }
  return { chunks: chunks(), bytes: () => bytes, check };
}

function checkedHash(actual: string, { sha256 }: PutOptions): string {
  if (sha256 !== undefined && sha256 !== actual) throw new ChecksumMismatch(sha256, actual);
  return actual;
}

function headOf(headers: IncomingHttpHeaders, bytes: number): ObjectHead {
  const sha256 = headers['x-amz-meta-sha256'];
  if (!Number.isSafeInteger(bytes)) throw new StorageUnavailable('the S3 server does not tell how long an object is');
  return {
    bytes,
    etag: etagOf(headers),
    contentType: headers['content-type'] ?? 'application/octet-stream',
    sha256: typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : null,
  };
}

function etagOf(headers: IncomingHttpHeaders): string {
  return (headers.etag ?? '').replaceAll('"', '');
}
