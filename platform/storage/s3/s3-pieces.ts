import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { onDisk } from '../disk.ts';
import type { Spooled } from '../spool.ts';
import type { Piece, PieceStore, UploadRecord } from '../uploads.ts';
import { checkedBody } from './s3-body.ts';
import { failureOf, readText, type S3Body, type S3Client } from './s3-client.ts';
import { textOf, textsOf } from './xml.ts';

const recordSchema = z.strictObject({ generation: z.uuid(), contentType: z.string() });

/**
 * Pieces of uploads as objects: `.uploads/tracks/1234~/<generation>/<offset>`. A piece is put only if there is none at its place
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html). Pieces may be shorter than a part of a
 * multipart upload may be, and any instance can go on where another one stopped.
 */
export class S3Pieces implements PieceStore {
  readonly #client: S3Client;
  #folder: Promise<string> | undefined;

  constructor(client: S3Client) {
    this.#client = client;
  }

  async spoolFolder(): Promise<string> {
    this.#folder ??= onDisk(() => mkdtemp(join(tmpdir(), `veza-storage-${process.pid}-`)));
    try {
      return await this.#folder;
    } catch (error) {
      this.#folder = undefined;
      throw error;
    }
  }

  async readUpload(key: string, signal: AbortSignal): Promise<UploadRecord | null> {
    const answer = await this.#client.ask({ method: 'GET', key: recordKey(key), signal });
    if ('text' in answer) return recordSchema.parse(JSON.parse(answer.text));
    if (answer.code === 'NoSuchKey') return null;
    throw failureOf(answer);
  }

  async writeUpload(key: string, record: UploadRecord, signal: AbortSignal): Promise<void> {
    const body = bufferBody(Buffer.from(JSON.stringify(record)));
    const answer = await this.#client.ask({ method: 'PUT', key: recordKey(key), body, signal });
    if (!('text' in answer)) throw failureOf(answer);
  }

  async pieces(key: string, generation: string, signal: AbortSignal): Promise<readonly Piece[]> {
    const prefix = `${prefixOf(key)}${generation}/`;
    const found: Piece[] = [];
    for await (const { name, bytes } of listPages(this.#client, prefix, signal)) {
      found.push({ offset: Number(name.slice(prefix.length)), bytes });
    }
    return found;
  }

  async addPiece(
    { key, generation, offset }: { readonly key: string; readonly generation: string; readonly offset: number },
    piece: Spooled,
    signal: AbortSignal,
  ): Promise<'added' | 'taken' | 'gone'> {
    const answer = await this.#client.ask({
      method: 'PUT',
      key: `${prefixOf(key)}${generation}/${offset}`,
      headers: { 'if-none-match': '*' },
      body: { content: { path: piece.path }, bytes: piece.bytes, sha256: piece.sha256 },
      signal,
    });
    if ('text' in answer) return 'added';
    // 409: another one is being put there at this moment.
    if (answer.status === 412 || answer.status === 409) return 'taken';
    throw failureOf(answer);
  }

  async readPiece(key: string, generation: string, offset: number, signal: AbortSignal): Promise<Readable | null> {
    const name = `${prefixOf(key)}${generation}/${offset}`;
    const answer = await this.#client.send({ method: 'GET', key: name, signal });
    if (answer.status === 200) return checkedBody(answer.body, Number(answer.headers['content-length']), signal);
    const refusal = { status: answer.status, code: textOf(await readText(answer.body), 'Code') };
    if (refusal.code === 'NoSuchKey') return null;
    throw failureOf(refusal);
  }

  async removeUpload(key: string, signal: AbortSignal): Promise<void> {
    // The record goes first: an upload that has none has not begun, whatever else is left of it.
    await remove(this.#client, recordKey(key), signal);
    const names: string[] = [];
    for await (const { name } of listPages(this.#client, prefixOf(key), signal)) names.push(name);
    for (const name of names) await remove(this.#client, name, signal);
  }

  async close(): Promise<void> {
    if (this.#folder !== undefined) await rm(await this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}

/** What a bucket holds below a prefix, in the order of keys, with lengths. */
export async function* listPages(
  client: S3Client,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<{ readonly name: string; readonly bytes: number }> {
  let token: string | null = null;
  do {
    const query = { 'list-type': '2', prefix, ...(token !== null && { 'continuation-token': token }) };
    const answer = await client.ask({ method: 'GET', key: null, query, signal });
    if (!('text' in answer)) throw failureOf(answer);
    const names = textsOf(answer.text, 'Key');
    const sizes = textsOf(answer.text, 'Size');
    for (const [index, name] of names.entries()) yield { name, bytes: Number(sizes[index]) };
    token = textOf(answer.text, 'IsTruncated') === 'true' ? textOf(answer.text, 'NextContinuationToken') : null;
  } while (token !== null);
}

/** Idempotent. */
export async function remove(client: S3Client, key: string, signal: AbortSignal): Promise<void> {
  const answer = await client.ask({ method: 'DELETE', key, signal });
  if (!('text' in answer) && answer.code !== 'NoSuchKey') throw failureOf(answer);
}

/** A short text to send. */
export function bufferBody(content: Buffer): S3Body {
  return { content, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
}

function prefixOf(key: string): string {
  return `.uploads/${key}~/`;
}

function recordKey(key: string): string {
  return `${prefixOf(key)}upload.json`;
}
