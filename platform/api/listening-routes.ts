import { z } from 'zod';
import { discover, discovered } from './discovery/discover.ts';
import { languageTag } from './fields.ts';
import type { ApiParts } from './parts.ts';
import { history, readHistory } from './plays.ts';
import { searchPage, searchTracks } from './search.ts';

const limit = z.coerce.number().int().min(1).max(100).default(50);

/** `/search`, `/discover` and `/me/history`: ways to find something to listen to. */
export function listeningRoutes(parts: ApiParts): void {
  const { app, database, authenticated } = parts;

  app.get(
    '/api/v1/search',
    {
      preHandler: authenticated,
      schema: {
        summary: 'Tracks by title, genre and artist',
        querystring: z.strictObject({
          q: z
            .string()
            .min(1)
            .max(100)
            .refine((text) => text.isWellFormed() && !text.includes('\0'), 'holds what is no text'),
          cursor: z.string().max(400).optional(),
          limit,
        }),
        response: { 200: searchPage },
      },
    },
    (request) =>
      searchTracks(database.read, request.query.q, { cursor: request.query.cursor, limit: request.query.limit }),
  );

  app.get(
    '/api/v1/discover',
    {
      preHandler: authenticated,
      schema: {
        summary: 'Tracks to discover, and why each of them',
        querystring: z.strictObject({ language: languageTag.optional() }),
        response: { 200: discovered },
      },
    },
    (request) => discover(parts, request.person.id, request.query.language ?? null),
  );

  app.get(
    '/api/v1/me/history',
    {
      preHandler: authenticated,
      schema: {
        summary: 'What I have listened to, the latest first',
        querystring: z.strictObject({ before: z.string().max(200).optional(), limit }),
        response: { 200: history },
      },
    },
    // From the primary: whoever has just listened to something finds it there.
    (request) =>
      readHistory(database.write, request.person.id, { before: request.query.before, limit: request.query.limit }),
  );
}
