import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { withId } from './fields.ts';
import type { ApiParts } from './parts.ts';
import {
  changePlaylist,
  deletePlaylist,
  findPlaylist,
  listPlaylists,
  makePlaylist,
  newPlaylist,
  playlistNotFound,
  playlistPage,
  playlistSettings,
  playlistSummary,
  playlistTracks,
  playlistView,
  replaceTracks,
} from './playlists.ts';
import { versionsToMatch, versionTag } from './version-tag.ts';

/**
 * `/playlists` and `/me/playlists`. All of it asks the primary: whoever changes a playlist reads it next, and sends the version
 * that was read.
 */
export function playlistRoutes({ app, database, clock, authenticated }: ApiParts): void {
  const db = database.write;

  app.post(
    '/api/v1/playlists',
    {
      preHandler: authenticated,
      schema: { summary: 'Make a playlist', body: newPlaylist, response: { 201: playlistSummary } },
    },
    async (request, reply) => {
      const { id = randomUUID(), ...rest } = request.body;
      const made = await makePlaylist(db, request.person.id, { id, ...rest }, new Date(clock()));
      return reply.code(201).header('etag', versionTag(made.version)).send(made);
    },
  );

  app.get(
    '/api/v1/me/playlists',
    {
      preHandler: authenticated,
      schema: {
        summary: 'My playlists',
        querystring: z.strictObject({
          cursor: z.string().max(200).optional(),
          limit: z.coerce.number().int().min(1).max(100).default(50),
        }),
        response: { 200: playlistPage },
      },
    },
    (request) => listPlaylists(db, request.person.id, { cursor: request.query.cursor, limit: request.query.limit }),
  );

  app.get(
    '/api/v1/playlists/:id',
    {
      preHandler: authenticated,
      schema: { summary: 'A playlist of mine or a public one', params: withId, response: { 200: playlistView } },
    },
    async (request, reply) => {
      const playlist = await findPlaylist(db, request.params.id, request.person.id);
      if (playlist === null) throw playlistNotFound();
      return reply.header('etag', versionTag(playlist.version)).send(playlist);
    },
  );

  app.put(
    '/api/v1/playlists/:id',
    {
      preHandler: authenticated,
      schema: {
        summary: 'Rename a playlist, show or hide it (needs If-Match)',
        params: withId,
        body: playlistSettings,
        response: { 200: playlistSummary },
      },
    },
    async (request, reply) => {
      const versions = versionsToMatch(request.headers['if-match']);
      const { id } = request.params;
      const changed = await changePlaylist(db, id, request.person.id, versions, new Date(clock()), () =>
        Promise.resolve(request.body),
      );
      return reply.header('etag', versionTag(changed.version)).send(changed);
    },
  );

  app.put(
    '/api/v1/playlists/:id/tracks',
    {
      preHandler: authenticated,
      schema: {
        summary: 'Replace what is in a playlist, in order (needs If-Match)',
        params: withId,
        body: playlistTracks,
        response: { 200: playlistSummary },
      },
    },
    async (request, reply) => {
      const versions = versionsToMatch(request.headers['if-match']);
      const { id } = request.params;
      const changed = await changePlaylist(
        db,
        id,
        request.person.id,
        versions,
        new Date(clock()),
        async (transaction) => {
          await replaceTracks(transaction, id, request.body.trackIds);
          return {};
        },
      );
      return reply.header('etag', versionTag(changed.version)).send(changed);
    },
  );

  app.delete(
    '/api/v1/playlists/:id',
    {
      preHandler: authenticated,
      schema: { summary: 'Delete a playlist (If-Match is honoured)', params: withId, response: { 204: z.void() } },
    },
    async (request, reply) => {
      const header = request.headers['if-match'];
      const versions = header === undefined ? null : versionsToMatch(header);
      await deletePlaylist(db, request.params.id, request.person.id, versions);
      return reply.code(204).send();
    },
  );
}
