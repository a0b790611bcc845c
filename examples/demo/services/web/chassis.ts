import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { delayMs, misbehave, readBehaviour, type Behaviour } from './behaviour.ts';

// What the three services have in common: probes, shutdown, calls to each other. They are separate programs with separate
// releases, so each has its own copy of this file.

export interface Request {
  readonly method: string;
  readonly url: URL;
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
}

export interface Service {
  readonly name: string;
  /** Answers a request, or returns false when there is nothing at this path. */
  handle(request: Request): Promise<boolean>;
  /** Throws when something that this service cannot work without is missing. */
  ready?(): Promise<void>;
  /** Called on SIGTERM, when no new connection is accepted any more: ends what would go on for ever. */
  stopping?(): void;
  /** Called last, when nothing is in flight. */
  stopped?(): Promise<void>;
}

export const behaviour: Behaviour = readBehaviour(import.meta.dirname);
export const instance = process.env['VEZA_INSTANCE'] ?? `pid-${process.pid}`;

/** A service that was called failed, or could not be reached; its headers tell the user's client which of the two. */
export class UpstreamError extends Error {
  readonly headers: Readonly<Record<string, string>>;
  constructor(message: string, headers: Readonly<Record<string, string>>) {
    super(message);
    this.headers = headers;
  }
}

/** Runs a service on HOST and PORT until SIGTERM, then finishes what is in flight and exits with status 0. */
export function serve(service: Service): Server {
  misbehave(behaviour);
  const state = { stopping: false };
  const server = createServer((incoming, response) => {
    answer(service, state, incoming, response).catch((error: unknown) => fail(response, error));
  });
  // Longer than any proxy in front keeps an idle connection: the proxy closes it, so no request meets a closing socket.
  server.keepAliveTimeout = 120_000;
  server.listen(Number(process.env['PORT'] ?? 3000), process.env['HOST'] ?? '127.0.0.1', () => {
    log(`${service.name} ${behaviour.version} listens on ${JSON.stringify(server.address())}`);
  });
  process.on('SIGTERM', () => {
    if (behaviour.ignoreSigterm || state.stopping) return;
    state.stopping = true;
    log(`${service.name} ${behaviour.version} stops: finishing what is in flight`);
    // Connections become idle one by one as their last answer ends; they must not keep the process.
    const idle = setInterval(() => server.closeIdleConnections(), 50);
    server.close(() => {
      clearInterval(idle);
      void (service.stopped?.() ?? Promise.resolve()).finally(() => process.exit(0));
    });
    service.stopping?.();
  });
  return server;
}

async function answer(
  service: Service,
  state: { readonly stopping: boolean },
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.setHeader('x-demo-release', `${service.name} ${behaviour.version}`);
  if (state.stopping) response.setHeader('connection', 'close');
  const url = new URL(incoming.url ?? '/', 'http://service');
  if (url.pathname === '/health') return sendJson(response, 200, { alive: true });
  if (url.pathname === '/ready') return answerReady(service, state, response);

  if (behaviour.hang) return;
  const delay = delayMs(behaviour);
  if (delay > 0) await sleep(delay);
  if (Math.random() * 100 < behaviour.failPercent) {
    // To the end first: an answer that comes while its question is still being sent can get lost on the way.
    await finished(incoming.resume());
    return sendJson(response, 500, {
      error: `release ${behaviour.version} fails ${behaviour.failPercent} % of requests (behaviour.json)`,
    });
  }
  const answered = await service.handle({ method: incoming.method ?? 'GET', url, incoming, response });
  if (!answered) sendJson(response, 404, { error: `${service.name} has nothing at ${url.pathname}` });
}

async function answerReady(
  service: Service,
  state: { readonly stopping: boolean },
  response: ServerResponse,
): Promise<void> {
  if (state.stopping) return sendJson(response, 503, { ready: false, reason: 'stopping' });
  if (behaviour.neverReady) {
    return sendJson(response, 503, {
      ready: false,
      reason: `release ${behaviour.version} never becomes ready (behaviour.json)`,
    });
  }
  try {
    await service.ready?.();
  } catch (error) {
    return sendJson(response, 503, { ready: false, reason: words(error) });
  }
  sendJson(response, 200, { ready: true });
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

export function log(message: string): void {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), message })}\n`);
}

function fail(response: ServerResponse, error: unknown): void {
  log(`request failed: ${words(error)}`);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(error instanceof UpstreamError ? error.headers : {})) {
    response.setHeader(name, value.replace(/[^\x20-\x7e]/g, ' '));
  }
  sendJson(response, error instanceof UpstreamError ? 502 : 500, { error: words(error) });
}

export function words(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
