import { chmod, mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { createServer, type Server } from 'node:http';
import { dirname } from 'node:path';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import type { z } from 'zod';
import { contract, type Operation } from '../api/contract.ts';
import type { Endpoint } from '../api/endpoint.ts';
import { openApiDocument } from '../api/openapi.ts';
import { INTERNAL, PROBLEM_TYPE, toProblem } from '../api/problem.ts';
import { EndpointNotFoundError, RequestInvalidError, SocketInUseError } from '../errors.ts';
import type { ControlPlane } from './control-plane.ts';
import { type Caller, type Emit, handlersFor } from './handlers.ts';
import { answerWithEvents, HEARTBEAT_MS } from './sse.ts';

const MAX_BODY_BYTES = 1_048_576;

export interface HttpServerOptions {
  readonly controlPlane: ControlPlane;
  readonly version: string;
  readonly socketPath: string;
  readonly log: (line: string) => void;
  readonly heartbeatMs?: number;
  /** Called after the answer to a `down` that ends the control plane has been sent. */
  readonly onDown: () => void;
}

export interface HttpServer {
  /** Stops listening, ends event streams, waits for what is in flight. */
  close(): Promise<void>;
}

/**
 * Serves the API on a Unix socket that only its owner can open (file mode 0600 in a folder of mode 0700). A socket file
 * that nobody answers on is replaced. Throws SocketInUseError when somebody does.
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const streams = new Set<AbortController>();
  const app = buildApp(options, streams);
  const server = createAdaptorServer({ fetch: app.fetch, createServer }) as Server;
  server.requestTimeout = 0;
  await listen(server, options.socketPath);
  return {
    close: async () => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      for (const abort of streams) abort.abort();
      // Connections that are kept alive become idle one by one, as what is in flight on them ends.
      const idle = setInterval(() => server.closeIdleConnections(), 20);
      const patience = setTimeout(() => server.closeAllConnections(), 2_000);
      await closed;
      clearInterval(idle);
      clearTimeout(patience);
    },
  };
}

async function listen(server: Server, path: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // Also where the folder was there already; fails on one that belongs to somebody else.
  await chmod(folder, 0o700);
  if (await answers(path)) throw new SocketInUseError(path);
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
  await chmod(path, 0o600);
}

/** Whether somebody accepts connections on a Unix socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** The routes of the contract over a control plane. */
export function buildApp(options: HttpServerOptions, streams: Set<AbortController>): Hono<{ Bindings: HttpBindings }> {
  const { controlPlane, log, heartbeatMs = HEARTBEAT_MS } = options;
  const handlers = handlersFor(controlPlane);
  const app = new Hono<{ Bindings: HttpBindings }>();
  const document = openApiDocument(options.version);
  const answerProblem = (error: unknown): Response => {
    const problem = toProblem(error);
    if (problem.code === INTERNAL)
      log(`request failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return Response.json(problem, { status: problem.status, headers: { 'content-type': PROBLEM_TYPE } });
  };

  app.onError((error) => answerProblem(error));
  app.notFound((context) => answerProblem(new EndpointNotFoundError(context.req.method, context.req.path)));
  app.get('/v1/openapi.json', (context) => context.json(document));

  for (const operation of Object.keys(contract) as Operation[]) {
    const endpoint: Endpoint = contract[operation];
    // Each handler fits its own endpoint (the type Handlers says so); a loop over all of them cannot know which it has.
    const handler = handlers[operation] as (request: unknown, caller: Caller, emit: Emit<unknown>) => Promise<unknown>;
    app.on(endpoint.method, endpoint.path.replaceAll(/\{(\w+)\}/g, ':$1'), async (context) => {
      const request = await readRequest(endpoint, context);
      const by = callerName(context);
      if (endpoint.item === null) {
        const caller = { by, signal: context.req.raw.signal, lastEventId: null };
        return context.json(await handler(request, caller, nothingToEmit));
      }
      const abort = new AbortController();
      streams.add(abort);
      const caller = { by, signal: abort.signal, lastEventId: context.req.header('last-event-id') ?? null };
      return answerWithEvents(
        context,
        {
          heartbeatMs,
          abort,
          onFailure: (error) => {
            if (toProblem(error).code === INTERNAL) answerProblem(error);
          },
          onEnd: () => {
            streams.delete(abort);
          },
        },
        async (emit) => {
          const answer = await handler(request, caller, emit);
          if (operation === 'down' && contract.down.answer.parse(answer).controlPlaneEnds) {
            context.env.outgoing.once('close', options.onDown);
          }
          return answer;
        },
      );
    });
  }
  return app;
}

const nothingToEmit = (): Promise<void> => Promise.reject(new Error('this endpoint has no items'));

const callerName = (context: Context): string => {
  const given = context.req.header('x-veza-by');
  if (given === undefined) return 'somebody on this machine';
  try {
    return decodeURIComponent(given).slice(0, 200);
  } catch {
    return given.slice(0, 200);
  }
};

async function readRequest(endpoint: Endpoint, context: Context): Promise<Record<string, unknown>> {
  const mistakes: { path: string; message: string }[] = [];
  const check = (part: string, schema: z.ZodType | null, value: () => unknown): unknown => {
    if (schema === null) return null;
    const result = schema.safeParse(value());
    if (result.success) return result.data;
    for (const issue of result.error.issues) {
      mistakes.push({ path: [part, ...issue.path.map(String)].join('.'), message: issue.message });
    }
    return null;
  };
  const params = check('params', endpoint.params, () => context.req.param());
  const query = check('query', endpoint.query, () => context.req.query());
  const json = endpoint.body === null ? undefined : await readJson(context);
  const body = check('body', endpoint.body, () => json);
  if (mistakes.length > 0) throw new RequestInvalidError(mistakes);
  return { params, query, body };
}

async function readJson(context: Context): Promise<unknown> {
  const length = Number(context.req.header('content-length') ?? 0);
  const text = length > MAX_BODY_BYTES ? null : await context.req.text();
  if (text === null || text.length > MAX_BODY_BYTES) {
    throw new RequestInvalidError([{ path: 'body', message: `expected at most ${MAX_BODY_BYTES} bytes` }]);
  }
  if (text === '') return {};
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new RequestInvalidError([{ path: 'body', message: 'expected JSON' }]);
  }
}
