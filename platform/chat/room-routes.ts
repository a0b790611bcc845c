import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { App } from '../kit/app.ts';
import { Problem } from '../kit/problem.ts';
import type { FastifyRequest } from 'fastify';
import type { Chat } from './chat.ts';
import { roomName } from './frames.ts';

const room = z.object({ id: z.uuid(), name: z.string(), last: z.int() });
const message = z.object({
  room: z.uuid(),
  seq: z.int(),
  id: z.uuid().nullable(),
  author: z.uuid().nullable(),
  name: z.string(),
  text: z.string(),
  at: z.string(),
});
const limit = z.coerce.number().int().min(1).max(200).default(50);
const after = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0);

/** Rooms and their history over HTTP. Rooms are open to everybody who is logged in. */
export function addRoomRoutes(app: App, chat: Chat, authenticated: (request: FastifyRequest) => Promise<void>): void {
  app.route({
    method: 'GET',
    url: '/chat/v1/rooms',
    preHandler: authenticated,
    schema: {
      querystring: z.object({ after: z.uuid().optional(), limit }),
      response: { 200: z.object({ rooms: z.array(room) }) },
    },
    handler: async ({ query }) => ({ rooms: await chat.rooms.list(query) }),
  });

  app.route({
    method: 'POST',
    url: '/chat/v1/rooms',
    preHandler: authenticated,
    schema: { body: z.strictObject({ name: roomName }), response: { 201: room } },
    handler: async (request, reply) => {
      const made = await chat.members.createRoom(request.person.id, { id: randomUUID(), name: request.body.name });
      if (made === null) throw new Problem(403, 'erased', 'This account was deleted.');
      return reply.code(201).send(made);
    },
  });

  app.route({
    method: 'GET',
    url: '/chat/v1/rooms/:room/messages',
    preHandler: authenticated,
    schema: {
      params: z.object({ room: z.uuid().toLowerCase() }),
      querystring: z.object({ after, limit }),
      response: { 200: z.object({ messages: z.array(message), last: z.int() }) },
    },
    handler: async ({ params, query }) => {
      const last = (await chat.rooms.last([params.room])).get(params.room);
      if (last === undefined) throw new Problem(404, 'no-such-room', 'There is no such room.');
      return { messages: await chat.rooms.messages(params.room, query.after, query.limit), last };
    },
  });
}
