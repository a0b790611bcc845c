import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { App } from '../kit/app.ts';
import type { ServicePersonalData } from './catalogue.ts';
import { eraseRows, exportRows, listPeople } from './personal-data.ts';

export interface PeopleRoutesOptions<DB> {
  readonly db: Kysely<DB>;
  readonly catalogue: ServicePersonalData;
  /** lets only services of the platform through */
  readonly internal: (request: FastifyRequest) => Promise<void>;
  /** Erases everything of a person here; the rows alone when it is not given. Idempotent. */
  readonly erase?: (personId: string) => Promise<Readonly<Record<string, number>>>;
}

const withId = z.object({ id: z.uuid().toLowerCase() });

/**
 * What every service with personal data offers the others: who has rows here, what somebody has, and its erasure. Answers of
 * GET are NDJSON, and the last line is `{"end":true,"lines":n}`: without it, the answer was cut short.
 */
export function addPeopleRoutes<DB>(app: App, { db, catalogue, internal, erase }: PeopleRoutesOptions<DB>): void {
  app.route({
    method: 'GET',
    url: '/internal/v1/people',
    preHandler: internal,
    schema: { summary: 'The ids of everybody who has rows here' },
    handler: (_request, reply) => {
      const lines = mapped(listPeople(db, catalogue), (id) => JSON.stringify({ id }));
      return reply.type('application/x-ndjson').send(Readable.from(withEnd(lines)));
    },
  });

  app.route({
    method: 'GET',
    url: '/internal/v1/people/:id',
    preHandler: internal,
    schema: { summary: 'Everything of a person here', params: withId },
    handler: (request, reply) => {
      return reply.type('application/x-ndjson').send(Readable.from(exportLines(db, catalogue, request.params.id)));
    },
  });

  app.route({
    method: 'DELETE',
    url: '/internal/v1/people/:id',
    preHandler: internal,
    schema: {
      summary: 'Erases everything of a person here',
      params: withId,
      response: { 200: z.object({ erased: z.record(z.string(), z.number()) }) },
    },
    handler: async (request) => {
      const { id } = request.params;
      return { erased: await (erase === undefined ? eraseRows(db, catalogue, id) : erase(id)) };
    },
  });
}

/** Everything of a person in a schema, as lines of NDJSON. */
export function exportLines<DB>(
  db: Kysely<DB>,
  catalogue: ServicePersonalData,
  personId: string,
): AsyncGenerator<string> {
  return withEnd(
    mapped(exportRows(db, catalogue, personId), (found) =>
      'json' in found ? `{"table":${JSON.stringify(found.table)},"row":${found.json}}` : JSON.stringify(found),
    ),
  );
}

async function* mapped<From, To>(from: AsyncIterable<From>, to: (value: From) => To): AsyncGenerator<To> {
  for await (const value of from) yield to(value);
}

async function* withEnd(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let count = 0;
  for await (const line of lines) {
    count += 1;
    yield `${line}\n`;
  }
  yield `${JSON.stringify({ end: true, lines: count })}\n`;
}
