import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { Problem } from '../kit/problem.ts';
import { contentHeaders } from '../stream/content-type.ts';
import { evaluate, rangeCounts } from '../stream/precondition.ts';
import { parseRange } from '../stream/range.ts';
import { withId } from './fields.ts';
import { StorageUnavailable } from '../storage/errors.ts';
import type { ByteRange, ObjectReading } from '../storage/object-storage.ts';
import type { ApiParts } from './parts.ts';
import { unavailable, withStorage } from './storage-problem.ts';
import { notFound, notReady } from './track-routes.ts';
import { findTrack, trackKey, type TrackRow } from './tracks.ts';
import { appendToUpload, uploadedBytes } from './uploads.ts';

/** How long the storage may take to open an object. */
const OPEN_MS = 5_000;

const uploadState = z.object({ offset: z.number(), complete: z.boolean() });

/** `/tracks/:id/upload` and `/tracks/:id/download`: what carries audio. */
export function audioRoutes({ app, database, storage, clock, authenticated }: ApiParts): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/api/v1/tracks/:id/download',
    preHandler: authenticated,
    schema: { summary: 'The audio of a track, or a range of it', params: withId },
    handler: async (request, reply) => {
      const track = await findTrack(database.read, request.params.id, request.person.id);
      // A replica may not have heard of it yet.
      await send(request, reply, track ?? (await findTrack(database.write, request.params.id, request.person.id)));
      return reply;
    },
  });

  void app.register((plain, _options, done) => {
    const scope = plain.withTypeProvider<ZodTypeProvider>();
    // The body is audio, whatever it calls itself, and goes to the storage as it arrives.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, body, parsed) => parsed(null, body));

    scope.head(
      '/api/v1/tracks/:id/upload',
      { preHandler: authenticated, schema: { summary: 'How much of an upload has arrived', params: withId } },
      async (request, reply) => {
        const track = await mustOwn(request.params.id, request.person.id);
        const offset = await uploadedBytes(uploadParts(), track);
        return reply
          .header('upload-offset', offset)
          .header('upload-length', track.bytes)
          .header('cache-control', 'no-store')
          .send();
      },
    );

    scope.patch(
      '/api/v1/tracks/:id/upload',
      {
        preHandler: authenticated,
        bodyLimit: Number.MAX_SAFE_INTEGER,
        schema: {
          summary: 'Add a piece to an upload',
          params: withId,
          headers: z.looseObject({ 'upload-offset': z.string().regex(/^\d{1,15}$/, 'is how many bytes have arrived') }),
          response: { 200: uploadState },
        },
      },
      async (request, reply) => {
        const track = await mustOwn(request.params.id, request.person.id);
        const length = request.headers['content-length'];
        const body = request.body instanceof Readable ? request.body : Readable.from([]);
        try {
          const offset = await appendToUpload(uploadParts(), track, Number(request.headers['upload-offset']), {
            body,
            length: length === undefined ? null : Number(length),
            signal: untilClosed(reply),
          });
          return await reply.header('upload-offset', offset).send({ offset, complete: offset === track.bytes });
        } catch (error) {
          // What is still on its way must be read, else whoever sends it cannot hear the answer.
          if (!body.destroyed) body.resume();
          if (request.raw.destroyed && !request.raw.complete) {
            throw new Problem(400, 'broken-off', 'The piece has not arrived whole.', { cause: error });
          }
          throw error;
        }
      },
    );
    done();
  });

  function uploadParts() {
    return { db: database.write, storage, now: new Date(clock()) };
  }

  async function mustOwn(trackId: string, personId: string): Promise<TrackRow> {
    const track = await findTrack(database.write, trackId, personId);
    if (track === null) throw notFound();
    if (track.artist_id !== personId) throw new Problem(403, 'not-your-track', 'The track belongs to somebody else.');
    return track;
  }

  async function send(request: FastifyRequest, reply: FastifyReply, track: TrackRow | null): Promise<void> {
    if (track === null) throw notFound();
    if (track.state !== 'ready') throw notReady();
    reply
      .header('etag', `"${track.sha256}"`)
      .header('accept-ranges', 'bytes')
      .header('cache-control', 'private, no-cache');
    const state = evaluate(request.headers, track.sha256);
    if (state === 'failed') {
      throw new Problem(412, 'changed-meanwhile', 'The audio is not the one that If-Match names.');
    }
    if (state === 'not-modified') return void reply.code(304).send();
    if (request.method === 'HEAD') {
      const there = await withStorage(() => storage.head(trackKey(track.id), AbortSignal.timeout(OPEN_MS)));
      if (there === null) throw await absent(track);
      return void reply.headers(contentHeaders(track.content_type)).header('content-length', track.bytes).send();
    }
    const counts = rangeCounts(request.headers, track.sha256);
    const wish = parseRange(counts ? request.headers.range : undefined, track.bytes);
    if (wish.kind === 'unsatisfiable') {
      throw new Problem(416, 'range-not-satisfiable', `The audio has ${track.bytes} bytes.`, {
        headers: { 'content-range': `bytes */${track.bytes}` },
      });
    }
    const part = wish.kind === 'part' ? wish.range : null;
    const opened = await open(reply, track, part);
    reply.headers(contentHeaders(track.content_type));
    if (part === null) return void reply.header('content-length', track.bytes).send(opened.body);
    return void reply
      .code(206)
      .header('content-range', `bytes ${part.first}-${part.last}/${track.bytes}`)
      .header('content-length', part.last - part.first + 1)
      .send(opened.body);
  }

  /** Audio that is not there is that of a track that was just removed; or the storage has lost it, or is not the right one. */
  async function absent(track: TrackRow): Promise<Problem> {
    const there = await database.write
      .selectFrom('tracks')
      .select('id')
      .where('id', '=', track.id)
      .where('state', '=', 'ready')
      .executeTakeFirst();
    return there === undefined
      ? notFound()
      : unavailable(new Error('the audio of a published track is not in the storage'));
  }

  async function open(reply: FastifyReply, track: TrackRow, range: ByteRange | null): Promise<ObjectReading> {
    // Opening has a deadline; listening may take as long as it takes.
    const slow = new AbortController();
    const timer = setTimeout(() => slow.abort(new StorageUnavailable('it did not open the object in time')), OPEN_MS);
    const signal = AbortSignal.any([slow.signal, untilClosed(reply)]);
    try {
      const opened = await withStorage(() =>
        storage.get(trackKey(track.id), range === null ? { signal } : { range, signal }),
      );
      if (opened === null) throw await absent(track);
      return opened;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Aborts when the connection of a request is closed before the answer is complete. */
function untilClosed(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort(new Error('the client has gone'));
  });
  return controller.signal;
}
