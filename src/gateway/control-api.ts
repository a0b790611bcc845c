import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  parseControlRequest,
  type ControlAnswer,
  type ControlRequest,
  type RefusalCode,
} from '../core/gateway-control.ts';
import type { WriteStamp } from '../core/route-table.ts';
import type { Log } from './log.ts';
import { upgradeToken, type FromWorker } from './supervisor/messages.ts';
import type { Supervisor } from './supervisor/supervisor.ts';

/** Bytes of a control message; a service of 10,000 endpoints has about 1 MB. */
const maxMessageBytes = 16 * 1024 * 1024;

export interface ControlOptions {
  readonly supervisor: Supervisor;
  readonly log: Log;
  /** Called when a message asks the gateway to stop. */
  readonly stop: (drainMs: number) => void;
  /** Called when a message asks for another program or other settings. */
  readonly upgrade: (request: UpgradeRequest) => Promise<ControlAnswer>;
  /** Called when a message asks for new certificates; false when none is for the host. */
  readonly renew: (host: string | null) => Promise<boolean>;
}

export type UpgradeRequest = Extract<ControlRequest, { readonly kind: 'upgrade' }>;

/**
 * HTTP server of the control socket; whoever may open the socket may do everything. Workers connect here too, by an HTTP
 * upgrade.
 */
export function createControlServer(given: ControlOptions): Server {
  const watchers = new Set<ServerResponse>();
  const options: HandlerOptions = {
    ...given,
    watchers,
    stop: (drainMs) => {
      // Whoever would start it again must know that it is meant to be gone.
      for (const watcher of watchers) watcher.end(`${JSON.stringify({ kind: 'stopping' } satisfies ControlAnswer)}\n`);
      given.stop(drainMs);
    },
  };
  const server = createServer((request, response) => {
    response.on('error', () => {});
    handle(options, request, response).catch((error: unknown) => {
      if (given.supervisor.hasLeft) {
        response.destroy();
        return;
      }
      options.log('error', 'control-failed', { message: String(error) });
      send(response, refused('internal', error instanceof Error ? error.message : String(error)));
    });
  });
  server.on('upgrade', (request, socket) => {
    socket.on('error', () => socket.destroy());
    const hello = request.headers['x-veza-hello'];
    if (request.headers.upgrade !== upgradeToken || typeof hello !== 'string') {
      socket.destroy();
      return;
    }
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${upgradeToken}\r\n\r\n`);
    given.supervisor.welcome(JSON.parse(hello) as Extract<FromWorker, { readonly kind: 'hello' }>, socket);
  });
  server.keepAliveTimeout = 60_000;
  return server;
}

interface HandlerOptions extends ControlOptions {
  readonly watchers: Set<ServerResponse>;
}

async function handle(options: HandlerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxMessageBytes) {
      send(response, refused('invalid', `A message holds at most ${maxMessageBytes} bytes.`));
      return;
    }
    chunks.push(chunk);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    send(response, refused('invalid', 'The message is no JSON.'));
    return;
  }
  const parsed = parseControlRequest(value);
  if (!parsed.ok) {
    send(response, refused('invalid', parsed.message));
    return;
  }
  if (parsed.value.kind === 'watch') {
    // Ended only by a stop: the connection ends with the process, and that is the news.
    options.watchers.add(response);
    response.once('close', () => options.watchers.delete(response));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(`${JSON.stringify({ kind: 'watching' } satisfies ControlAnswer)}\n`);
    return;
  }
  const gone = new AbortController();
  response.once('close', () => gone.abort(new Error('the caller went away')));
  const answer = await answerTo(options, parsed.value, gone.signal);
  // Whoever asked while another supervisor took over asks again, and is told what is true there.
  if (options.supervisor.hasLeft && answer.kind !== 'upgraded') response.destroy();
  else if (!gone.signal.aborted) send(response, answer);
}

async function answerTo(
  { supervisor, stop, upgrade, renew }: ControlOptions,
  message: Exclude<ControlRequest, { readonly kind: 'watch' }>,
  signal: AbortSignal,
): Promise<ControlAnswer> {
  switch (message.kind) {
    case 'write': {
      const result = await supervisor.write({ stamp: message.stamp, entry: message.entry });
      if (result.kind === 'stale') return staleAnswer(message.entry.service, result.inForce);
      if (result.kind === 'port-unavailable') return refused('port-unavailable', result.message);
      return result;
    }
    case 'remove': {
      const result = await supervisor.remove(message.stamp, message.service);
      return result.kind === 'stale' ? staleAnswer(message.service, result.inForce) : result;
    }
    case 'observe':
      return { kind: 'table', routes: await supervisor.observe() };
    case 'drain': {
      const { service, instances, drainMs } = message;
      if (supervisor.inTable(service, new Set(instances))) {
        return refused('still-in-table', `Instances of ${service} are drained only after they left the table.`);
      }
      try {
        return { kind: 'drained', left: await supervisor.drain(service, instances, drainMs, signal) };
      } catch (error) {
        if (signal.aborted) return refused('internal', 'the caller went away');
        throw error;
      }
    }
    case 'traffic':
      return { kind: 'traffic', seconds: supervisor.traffic(message.service, message.afterSecond) };
    case 'current':
      return { kind: 'current', current: await supervisor.current(message.service) };
    case 'health':
      return supervisor.health();
    case 'upgrade':
      return upgrade(message);
    case 'renew':
      return { kind: 'renewed', found: await renew(message.host) };
    case 'stop':
      stop(message.drainMs);
      return { kind: 'stopping' };
  }
}

function refused(code: RefusalCode, message: string): ControlAnswer {
  return { kind: 'refused', code, message, inForce: null };
}

function staleAnswer(service: string, inForce: WriteStamp): ControlAnswer {
  const message = `The write for ${service} is older than what is in force.`;
  return { kind: 'refused', code: 'stale', message, inForce };
}

function send(response: ServerResponse, answer: ControlAnswer): void {
  if (response.headersSent) return;
  const body = Buffer.from(JSON.stringify(answer));
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}
