import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Person } from './authentication.ts';
import type { Log } from './log.ts';
import { Problem } from './problem.ts';
import { toProblem } from './to-problem.ts';

/** A service's Fastify: routes are checked by Zod schemas, errors are problem documents. */
export type App = FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger, ZodTypeProvider>;

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks. Throws a 401 problem on a route without `authenticate` before it. */
    person: Person;
  }
}

const people = new WeakMap<object, Person>();

/** Makes the app of a service, without its routes and its listener. */
export function createApp(log: Log): App {
  const app: App = fastify({
    loggerInstance: frameworkLog(log),
    logController: new LogController({ disableRequestLogging: true }),
    // The kit drains: a request on a kept connection is still answered while it does.
    return503OnClosing: false,
    forceCloseConnections: false,
    exposeHeadRoutes: true,
    bodyLimit: 1024 * 1024,
    requestIdHeader: false,
    genReqId: () => '',
    // Who is asked about is never taken from headers that anybody can set.
    trustProxy: false,
    routerOptions: { maxParamLength: 500 },
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.decorateRequest('person', {
    getter(): Person {
      const person = people.get(this);
      if (person === undefined) throw new Problem(401, 'not-signed-in', 'This needs an access token.');
      return person;
    },
    setter(person: Person) {
      people.set(this, person);
    },
  });

  app.setErrorHandler((error, request, reply) => {
    const problem = toProblem(error);
    if (problem.status >= 500) {
      const { status, code } = problem;
      const fields = { method: request.method, route: request.routeOptions.url, status, code, error };
      // 503 is said on purpose, by who knows why.
      if (status === 503) log.warn(fields, 'a request could not be served now');
      else log.error(fields, 'a request failed');
    }
    return reply
      .code(problem.status)
      .headers(problem.headers)
      .type('application/problem+json')
      .serializer(JSON.stringify)
      .send(problem.document());
  });
  app.setNotFoundHandler(() => {
    throw new Problem(404, 'not-found', 'There is nothing here.');
  });
  return app;
}

/** Fastify's own messages quote paths and values: what they are about is kept, their words are not. */
function frameworkLog(log: Log): FastifyBaseLogger {
  const errorOf = (first: unknown): unknown => {
    if (first instanceof Error) return first;
    if (typeof first !== 'object' || first === null) return undefined;
    const { err, error } = first as { err?: unknown; error?: unknown };
    return err ?? error;
  };
  const logger: FastifyBaseLogger = {
    level: 'warn',
    fatal: (first: unknown) => log.fatal({ error: errorOf(first) }, 'from the HTTP framework'),
    error: (first: unknown) => log.error({ error: errorOf(first) }, 'from the HTTP framework'),
    warn: (first: unknown) => log.warn({ error: errorOf(first) }, 'from the HTTP framework'),
    info: () => undefined,
    debug: () => undefined,
    trace: () => undefined,
    silent: () => undefined,
    child: () => logger,
  };
  return logger;
}
