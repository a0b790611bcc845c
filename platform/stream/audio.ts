import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../kit/problem.ts';
import { InvalidKey, ObjectChanged } from '../storage/errors.ts';
import type { ByteRange, ObjectHead, ObjectReading, ObjectStorage } from '../storage/object-storage.ts';
import { contentHeaders } from './content-type.ts';
import type { OpenStreams } from './open-streams.ts';
import { evaluate, rangeCounts } from './precondition.ts';
import { parseRange } from './range.ts';
import { withStorage } from './with-storage.ts';

/** What is known of an object. @throws Problem 404, 502, 503 */
export async function mustKnow(storage: ObjectStorage, key: string): Promise<ObjectHead> {
  try {
    const head = await withStorage((signal) => storage.head(key, signal));
    if (head !== null) return head;
  } catch (error) {
    if (!(error instanceof InvalidKey)) throw error;
  }
  throw new Problem(404, 'no-such-audio', 'There is no such audio, or not any more.');
}

/** Opens that very version of an object. @throws ObjectChanged; Problem 404, 502, 503 */
export async function mustOpen(
  storage: ObjectStorage,
  key: string,
  { etag }: ObjectHead,
  range?: ByteRange,
): Promise<ObjectReading> {
  const reading = await withStorage((signal) =>
    storage.get(key, { etag, signal, ...(range !== undefined && { range }) }),
  );
  if (reading === null) throw new Problem(404, 'no-such-audio', 'There is no such audio, or not any more.');
  return reading;
}

/** Runs it again when the object was replaced between two looks at it; that is so rare that twice is an accident of its own. */
export async function againWhenChanged<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ObjectChanged)) throw error;
    return work();
  }
}

/** Conditions, ranges and methods of RFC 9110 over an object: 200, 206, 304, 412, 416. */
export function sendAudio(
  request: FastifyRequest,
  reply: FastifyReply,
  from: { readonly storage: ObjectStorage; readonly key: string; readonly streams: OpenStreams },
): Promise<FastifyReply> {
  return againWhenChanged(async () => {
    const head = await mustKnow(from.storage, from.key);
    reply
      .header('etag', `"${head.etag}"`)
      .header('accept-ranges', 'bytes')
      .header('cache-control', 'private, no-cache');
    const verdict = evaluate(request.headers, head.etag);
    if (verdict === 'not-modified') return reply.code(304).send();
    if (verdict === 'failed')
      throw new Problem(412, 'changed-meanwhile', 'The audio is not the one that If-Match names.');

    // HEAD has no ranges: it tells of the whole.
    const wish =
      request.method === 'GET' && rangeCounts(request.headers, head.etag)
        ? parseRange(request.headers.range, head.bytes)
        : ({ kind: 'whole' } as const);
    if (wish.kind === 'unsatisfiable') {
      throw new Problem(416, 'range-not-satisfiable', `The audio has ${head.bytes} bytes.`, {
        headers: { 'content-range': `bytes */${head.bytes}` },
      });
    }
    reply.headers(contentHeaders(head.contentType));
    if (request.method === 'HEAD') return reply.header('content-length', head.bytes).send();

    from.streams.admit(reply.raw);
    if (wish.kind === 'whole') {
      const { body } = await mustOpen(from.storage, from.key, head);
      return reply.header('content-length', head.bytes).send(body);
    }
    const { first, last } = wish.range;
    const { body } = await mustOpen(from.storage, from.key, head, wish.range);
    return reply
      .code(206)
      .header('content-range', `bytes ${first}-${last}/${head.bytes}`)
      .header('content-length', last - first + 1)
      .send(body);
  });
}
