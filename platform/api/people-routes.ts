import { Readable } from 'node:stream';
import { z } from 'zod';
import type { FastifyRequest } from 'fastify';
import type { App } from '../kit/app.ts';
import { internalOnly } from '../kit/authentication.ts';
import type { Caller } from '../kit/call.ts';
import { Problem } from '../kit/problem.ts';
import { writeArchive } from '../people/archive.ts';
import { addPeopleRoutes, exportLines } from '../people/internal-routes.ts';
import { doErasureStep, type ErasureParts } from './people-erasure.ts';
import type { PeopleJournal } from './people-journal.ts';
import { personalData } from './personal-data.ts';

export interface PeopleParts extends ErasureParts {
  readonly app: App;
  readonly authenticated: (request: FastifyRequest) => Promise<void>;
  readonly internalKey: string;
  readonly journal: PeopleJournal;
  /** something is to be erased now */
  readonly wake: () => void;
  readonly clock: () => number;
}

/** Exports hold a connection of the database each for as long as the client reads. */
const EXPORTS_AT_ONCE = 2;

const erasure = z.object({
  id: z.uuid(),
  state: z.enum(['running', 'erased', 'settled']),
  requestedAt: z.string(),
  erasedAt: z.string().nullable(),
});

/** Export and erasure of a person's data, over all services. */
export function peopleRoutes(parts: PeopleParts): void {
  const { app, authenticated, journal, clock } = parts;
  let exporting = 0;

  app.route({
    method: 'POST',
    url: '/api/v1/me/data-export',
    preHandler: authenticated,
    schema: { summary: 'Everything of mine, from every service, as a tar archive with a manifest at its end' },
    handler: async (request, reply) => {
      if (exporting >= EXPORTS_AT_ONCE) {
        throw new Problem(503, 'busy', 'Others are exporting: try again in a moment.', { retryAfterSeconds: 5 });
      }
      exporting += 1;
      const gone = new AbortController();
      try {
        const archive = await openArchive(parts, request.person.id, new Date(clock()), gone.signal);
        archive.once('close', () => {
          exporting -= 1;
          gone.abort();
        });
        return await reply
          .type('application/x-tar')
          .header('content-disposition', 'attachment; filename="veza-data-export.tar"')
          .header('cache-control', 'no-store')
          .send(archive);
      } catch (error) {
        if (!gone.signal.aborted) exporting -= 1;
        gone.abort();
        throw error;
      }
    },
  });

  app.route({
    method: 'DELETE',
    url: '/api/v1/me',
    preHandler: authenticated,
    schema: {
      summary: 'Erases my account and all that belongs to it, in every service',
      body: z.strictObject({ password: z.string().min(1).max(256) }),
      response: { 202: z.object({ erasure }) },
    },
    handler: async (request, reply) => {
      await confirmPassword(parts.identity, request.person.id, request.body.password);
      const begun = await journal.begin(request.person.id);
      parts.wake();
      return reply.code(202).header('location', `/api/v1/erasures/${begun.id}`).send({ erasure: begun });
    },
  });

  // Who asks has no account any more: the id, which nobody can guess, is the right to ask.
  app.route({
    method: 'GET',
    url: '/api/v1/erasures/:id',
    schema: {
      summary: 'How far an erasure is',
      params: z.object({ id: z.uuid() }),
      response: { 200: z.object({ erasure }) },
    },
    handler: async (request, reply) => {
      const found = await journal.find(request.params.id);
      if (found === null) throw new Problem(404, 'no-such-erasure', 'There is no such erasure.');
      return reply.header('cache-control', 'no-store').send({ erasure: found });
    },
  });

  const internal = internalOnly(parts.internalKey);
  app.route({
    method: 'GET',
    url: '/internal/v1/erasures',
    preHandler: internal,
    schema: { summary: 'The ledger of erasures, to be kept beside the backups' },
    handler: (_request, reply) => reply.type('application/x-ndjson').send(Readable.from(ledgerLines(journal))),
  });
  addPeopleRoutes(app, {
    db: parts.database.write,
    catalogue: personalData,
    internal,
    erase: async (personId) => {
      const signal = AbortSignal.timeout(60_000);
      for (const step of ['files', 'api', 'cache'] as const) await doErasureStep(parts, step, personId, signal);
      return {};
    },
  });
}

/** Asks the other services first: one that is away is a problem, and not half an archive. */
async function openArchive(parts: PeopleParts, personId: string, now: Date, signal: AbortSignal): Promise<Readable> {
  const path = `/internal/v1/people/${personId}`;
  const [identity, chat] = await Promise.all([parts.identity(path, { signal }), parts.chat(path, { signal })]);
  const bodyOf = (answer: Response) => (): Promise<AsyncIterable<Uint8Array>> => {
    if (!answer.ok || answer.body === null) throw new Error(`answered ${answer.status}`);
    return Promise.resolve(answer.body);
  };
  for (const answer of [identity, chat]) {
    if (answer.ok) continue;
    throw new Problem(503, 'export-unavailable', 'Not every part of the platform can answer now.', {
      retryAfterSeconds: 5,
    });
  }
  const own = async function* encoded(): AsyncGenerator<Uint8Array> {
    for await (const line of exportLines(parts.database.write, personalData, personId)) yield Buffer.from(line);
  };
  return writeArchive({
    personId,
    now,
    signal,
    services: [
      { name: 'identity', open: bodyOf(identity) },
      { name: 'chat', open: bodyOf(chat) },
      { name: 'api', open: () => Promise.resolve(own()) },
    ],
    openFile: (key) => parts.storage.get(key, { signal }),
  });
}

/** @throws Problem 403; 429 when it was tried too often */
async function confirmPassword(identity: Caller, personId: string, password: string): Promise<void> {
  const answer = await identity(`/internal/v1/people/${personId}/password`, { method: 'POST', json: { password } });
  if (answer.status === 429) {
    await answer.body?.cancel();
    const retryAfterSeconds = Number(answer.headers.get('retry-after') ?? '60');
    throw new Problem(429, 'too-many-attempts', 'Too many wrong passwords: wait a while.', { retryAfterSeconds });
  }
  if (!answer.ok) {
    await answer.body?.cancel();
    throw new Problem(503, 'identity-unavailable', 'The password cannot be checked now.', { retryAfterSeconds: 5 });
  }
  const { matches } = z.object({ matches: z.boolean() }).parse(await answer.json());
  if (!matches) throw new Problem(403, 'wrong-password', 'That is not your password.');
}

async function* ledgerLines(journal: PeopleJournal): AsyncGenerator<string> {
  let lines = 0;
  for await (const entry of journal.ledger()) {
    lines += 1;
    yield `${JSON.stringify(entry)}\n`;
  }
  yield `${JSON.stringify({ end: true, lines })}\n`;
}
