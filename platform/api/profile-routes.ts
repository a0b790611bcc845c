import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { Problem } from '../kit/problem.ts';
import { withId } from './fields.ts';
import type { ApiParts } from './parts.ts';
import {
  ownProfile,
  profileSettings,
  publicProfile,
  readOwnProfile,
  readPublicProfile,
  writeProfile,
} from './profiles.ts';
import { versionsToMatch, versionTag } from './version-tag.ts';

/** How long what everybody may see of a person is kept. */
const PROFILE_TTL_MS = 30_000;

/** `/me/profile` and `/people/:id`. */
export function profileRoutes({ app, database, remembered, cacheKeys, clock, authenticated }: ApiParts): void {
  app.get(
    '/api/v1/me/profile',
    { preHandler: authenticated, schema: { summary: 'My own profile', response: { 200: ownProfile } } },
    (request, reply) => sendOwn(request.person.id, reply),
  );

  app.put(
    '/api/v1/me/profile',
    {
      preHandler: authenticated,
      schema: {
        summary: 'Replace my profile (If-Match is honoured)',
        body: profileSettings,
        response: { 200: ownProfile },
      },
    },
    async (request, reply) => {
      const personId = request.person.id;
      const header = request.headers['if-match'];
      const versions = header === undefined ? null : versionsToMatch(header);
      await writeProfile(database.write, personId, request.body, versions, new Date(clock()));
      await remembered.forget(cacheKeys.profile(personId));
      return sendOwn(personId, reply);
    },
  );

  app.get(
    '/api/v1/people/:id',
    {
      preHandler: authenticated,
      schema: { summary: 'What everybody may see of a person', params: withId, response: { 200: publicProfile } },
    },
    async (request) => {
      const { id } = request.params;
      const profile =
        id === request.person.id
          ? await readPublicProfile(database.write, id)
          : await remembered.get(cacheKeys.profile(id), PROFILE_TTL_MS, z.nullable(publicProfile), () =>
              readPublicProfile(database.read, id),
            );
      if (profile === null) throw new Problem(404, 'person-not-found', 'There is no such person.');
      return profile;
    },
  );

  /** From the primary: who has just changed it wants to see the change. */
  async function sendOwn(personId: string, reply: FastifyReply) {
    const { profile, version } = await readOwnProfile(database.write, personId);
    reply.header('etag', versionTag(version));
    return profile;
  }
}
