import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { Problem } from '../kit/problem.ts';
import { audioPath, playlistPath, signPath } from '../stream/signed-url.ts';
import { withId, written } from './fields.ts';
import type { ApiParts } from './parts.ts';
import { recordPlay } from './plays.ts';
import { removeTrack } from './removals.ts';
import { findTrack, toView, trackDeclaration, trackKey, type TrackRow, trackView } from './tracks.ts';
import { declareTrack, uploadedBytes } from './uploads.ts';

/** How long a URL of audio is good for at least; it is rounded up, so that a player that asks again gets the same one. */
const MEDIA_SECONDS = 60 * 60;
const MEDIA_ROUND_SECONDS = 5 * 60;

const play = z.strictObject({
  ms: z.int().min(0).max(86_400_000),
  /** Chosen by whoever plays: a report that is sent again, because the answer was lost, counts once. */
  id: z.uuid().toLowerCase().optional(),
});

/** `/tracks` without what carries audio. */
export function trackRoutes({
  app,
  database,
  storage,
  remembered,
  cacheKeys,
  mediaKeys,
  clock,
  authenticated,
}: ApiParts): void {
  app.post(
    '/api/v1/tracks',
    {
      preHandler: authenticated,
      schema: {
        summary: 'Declare a recording that will be uploaded',
        body: trackDeclaration,
        response: { 201: z.object({ id: z.string(), upload: z.object({ url: z.string(), offset: z.number() }) }) },
      },
    },
    async (request, reply) => {
      const trackId = request.body.id ?? randomUUID();
      const personId = request.person.id;
      const parts = { db: database.write, storage, now: new Date(clock()) };
      await declareTrack(parts, personId, trackId, request.body);
      // A declaration that is repeated may be of an upload that has gone on since. One that is new has no byte yet, also
      // while the storage is away.
      const track = request.body.id === undefined ? null : await findTrack(database.write, trackId, personId);
      const offset = track === null ? 0 : await uploadedBytes(parts, track);
      const url = `/api/v1/tracks/${trackId}/upload`;
      return reply.code(201).header('location', url).send({ id: trackId, upload: { url, offset } });
    },
  );

  app.get(
    '/api/v1/tracks/:id',
    { preHandler: authenticated, schema: { summary: 'A track', params: withId, response: { 200: trackView } } },
    async (request) => toView(await mustFind(request.params.id, request.person.id)),
  );

  app.delete(
    '/api/v1/tracks/:id',
    {
      preHandler: authenticated,
      schema: { summary: 'Remove a track of mine', params: withId, response: { 204: z.void() } },
    },
    async (request, reply) => {
      const track = await mustFind(request.params.id, request.person.id);
      if (track.artist_id !== request.person.id)
        throw new Problem(403, 'not-your-track', 'The track belongs to somebody else.');
      await removeTrack(database.write, storage, track.id);
      return reply.code(204).send();
    },
  );

  app.get(
    '/api/v1/tracks/:id/media',
    {
      preHandler: authenticated,
      schema: {
        summary: 'Where to listen to a track',
        params: withId,
        response: { 200: z.object({ url: z.string(), hls: z.string().nullable(), expiresAt: z.string() }) },
      },
    },
    async (request) => {
      const track = await mustFind(request.params.id, request.person.id);
      if (track.state !== 'ready') throw notReady();
      const expires = Math.ceil((clock() / 1000 + MEDIA_SECONDS) / MEDIA_ROUND_SECONDS) * MEDIA_ROUND_SECONDS;
      const key = trackKey(track.id);
      return {
        url: signPath(mediaKeys, audioPath(key), expires),
        // Only MP3 can be cut into segments without touching the sound.
        hls: track.content_type === 'audio/mpeg' ? signPath(mediaKeys, playlistPath(key), expires) : null,
        expiresAt: written(new Date(expires * 1000)),
      };
    },
  );

  app.post(
    '/api/v1/tracks/:id/plays',
    {
      preHandler: authenticated,
      schema: {
        summary: 'Tell that I have listened to a track',
        params: withId,
        body: play,
        response: { 201: z.object({ id: z.string() }) },
      },
    },
    async (request, reply) => {
      const playId = request.body.id ?? randomUUID();
      const { id: personId } = request.person;
      const recorded = await recordPlay(database.write, {
        id: playId,
        personId,
        trackId: request.params.id,
        ms: request.body.ms,
        at: new Date(clock()),
      });
      if (!recorded) throw notFound();
      await remembered.forget(cacheKeys.taste(personId));
      return reply.code(201).send({ id: playId });
    },
  );

  async function mustFind(trackId: string, personId: string): Promise<TrackRow> {
    // From the primary: whoever has just published or removed something wants to see that.
    const track = await findTrack(database.write, trackId, personId);
    if (track === null) throw notFound();
    return track;
  }
}

/** Also for what others must not know of. */
export function notFound(): Problem {
  return new Problem(404, 'track-not-found', 'There is no such track.');
}

export function notReady(): Problem {
  return new Problem(409, 'track-not-ready', 'The track has not been uploaded completely.');
}
