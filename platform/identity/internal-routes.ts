import { z } from 'zod';
import { addPeopleRoutes } from '../people/internal-routes.ts';
import type { IdentityParts } from './parts.ts';
import { personalData } from './personal-data.ts';

const withId = z.object({ id: z.uuid().toLowerCase() });

/** `/internal/v1/people/:id/…`: what api needs of identity to export and erase somebody. Reached by services alone. */
export function internalRoutes({ app, db, people, passwords, attempts, internal }: IdentityParts): void {
  addPeopleRoutes(app, { db, catalogue: personalData, internal });

  app.route({
    method: 'POST',
    url: '/internal/v1/people/:id/password',
    onRequest: internal,
    schema: {
      summary: 'Whether it is the password of a person',
      params: withId,
      body: z.strictObject({ password: z.string().max(256) }),
      response: { 200: z.object({ matches: z.boolean() }) },
    },
    handler: async (request) => {
      const { id } = request.params;
      const attempt = await attempts.confirm(id);
      const account = await people.find({ id });
      let matches = false;
      try {
        ({ matches } = await passwords.check(request.body.password, account?.passwordHash ?? null));
      } catch (error) {
        // It was not looked at.
        await attempt.takeBack();
        throw error;
      }
      if (matches) await attempt.takeBack();
      return { matches: matches && account?.disabled === false };
    },
  });

  app.route({
    method: 'POST',
    url: '/internal/v1/people/:id/disable',
    onRequest: internal,
    schema: {
      summary: 'End all sessions of a person, who logs in no more; nothing happens without one',
      params: withId,
    },
    handler: async (request, reply) => {
      await people.disable(request.params.id);
      return await reply.code(204).send();
    },
  });
}
