import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import { chainChecksum, echoChecksum, eventChecksum, messageChecksum, socketChecksum } from '../../src/load/answers.ts';

/** What may go wrong with one request; anything else about the platform is right. */
export type Fault =
  | 'reset'
  | 'close-without-answer'
  | 'truncate'
  | 'truncate-chunked'
  | 'wrong-checksum'
  | 'foreign-answer'
  | 'not-found'
  | 'router-error'
  | 'router-not-found'
  | 'unsigned-error'
  | 'release-error'
  | 'lost-inside'
  | 'failed-down-the-chain'
  | 'never'
  | 'slow'
  | 'not-http'
  | 'acknowledge-and-forget'
  | 'store-and-reset';
/** How one event stream ends, after two events. */
export type EventFault =
  | 'clean'
  | 'cut-mid-event'
  | 'end-mid-event'
  | 'cut-between-events'
  | 'gap'
  | 'wrong-checksum'
  | 'silent'
  | 'release-error';
/** How one WebSocket ends, after two echoes. */
export type SocketFault =
  | '1001'
  | '1012'
  | '1000'
  | '1011'
  | '1006'
  | 'wrong-checksum'
  | 'skip'
  | 'silent'
  | 'router-error'
  | 'release-error';

export interface Faults {
  /** By path and count of requests to it, from 1. */
  readonly requests?: Readonly<Record<string, Readonly<Record<number, Fault>>>>;
  /** By connection; after the last one streams go on for ever. */
  readonly events?: readonly EventFault[];
  readonly sockets?: readonly SocketFault[];
  /** How long idle connections are kept, and promised to be. */
  readonly keepAliveMs?: number;
}

export interface FaultyPlatform {
  readonly url: string;
  /** Requests that came, by path. */
  readonly came: ReadonlyMap<string, number>;
  /** Connections that were opened, and how many of them the client has closed. */
  readonly connections: { opened: number; closedByClient: number };
  close(): Promise<void>;
}

interface Message {
  readonly client: string;
  readonly seq: number;
  readonly text: string;
}

const slowMs = 700;
const signed = { 'x-veza-release': 'rel_1', 'x-demo-release': 'web v1' };

/** The demo platform in one process, right in everything but the faults it is given. */
export async function startFaultyPlatform(faults: Faults): Promise<FaultyPlatform> {
  const came = new Map<string, number>();
  const messages: Message[] = [];
  const open = new Set<Socket>();
  const connections = { opened: 0, closedByClient: 0 };
  const timers = new Set<NodeJS.Timeout>();

  const server = createServer((incoming, response) => {
    void (async () => {
      const url = new URL(incoming.url ?? '/', 'http://platform');
      const path = url.pathname.startsWith('/api/messages/') ? '/api/messages/*' : url.pathname;
      const count = (came.get(path) ?? 0) + 1;
      came.set(path, count);
      const body = await bodyOf(incoming);
      const fault = faults.requests?.[path]?.[count] ?? null;
      if (url.pathname === '/events') {
        streamEvents(incoming, response, url, faults.events?.[count - 1] ?? null, timers);
        return;
      }
      if (path === '/api/messages' && fault !== 'acknowledge-and-forget') {
        messages.push(JSON.parse(body.toString('utf8')) as Message);
      }
      answer(response, fault, rightAnswer(url, body, messages));
    })();
  });
  server.keepAliveTimeout = faults.keepAliveMs ?? 60_000;
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    connections.opened += 1;
    socket.on('end', () => (connections.closedByClient += 1));
    socket.on('close', () => open.delete(socket));
  });

  const webSockets = new WebSocketServer({ noServer: true });
  let socketCount = 0;
  server.on('upgrade', (incoming, socket: Socket, head) => {
    const fault = faults.sockets?.[socketCount] ?? null;
    socketCount += 1;
    if (fault === 'router-error') return void socket.end(`HTTP/1.1 503 No\r\nx-veza-error: no\r\n${emptyEnd}`);
    if (fault === 'release-error') return void socket.end(`HTTP/1.1 500 No\r\nx-veza-release: rel_1\r\n${emptyEnd}`);
    webSockets.handleUpgrade(incoming, socket, head, (webSocket) => {
      let echoed = 0;
      webSocket.on('message', (data) => {
        const { n } = JSON.parse((data as Buffer).toString('utf8')) as { n: number };
        echoed += 1;
        if (fault === 'silent') return;
        const checksum = socketChecksum(fault === 'wrong-checksum' && echoed === 2 ? n + 1 : n);
        if (fault !== 'skip' || echoed !== 2) webSocket.send(JSON.stringify({ n, checksum }));
        if (echoed !== 2 || fault === null) return;
        if (fault === '1006') webSocket.terminate();
        else if (/^\d+$/.test(fault)) webSocket.close(Number(fault));
      });
    });
  });

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    came,
    connections,
    close: async () => {
      for (const timer of timers) clearInterval(timer);
      for (const connection of open) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const emptyEnd = 'content-length: 0\r\nconnection: close\r\n\r\n';

function answer(response: ServerResponse, fault: Fault | null, right: { status: number; body: string }): void {
  const { socket } = response;
  const send = (status: number, headers: Readonly<Record<string, string>>, body: string) =>
    void response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body);
  switch (fault) {
    case null:
    case 'acknowledge-and-forget':
      return send(right.status, signed, right.body);
    case 'reset':
    case 'store-and-reset':
      return void (socket as Socket).resetAndDestroy();
    case 'close-without-answer':
      return void socket?.destroy();
    case 'truncate':
      response.writeHead(right.status, { ...signed, 'content-length': Buffer.byteLength(right.body) });
      return void response.write(right.body.slice(0, -5), () => socket?.end());
    case 'truncate-chunked':
      response.writeHead(right.status, signed);
      return void response.write(right.body, () => socket?.end());
    case 'wrong-checksum':
      return send(right.status, signed, right.body.replace(/"(checksum|sha256)":"./, '"$1":"!'));
    case 'foreign-answer':
      return send(right.status, signed, right.body.replace(/"n":\d+/, '"n":1'));
    case 'not-found':
      return send(404, signed, '{}');
    case 'router-error':
      return send(503, { 'x-veza-error': 'no-endpoint' }, '{}');
    case 'router-not-found':
      return send(404, { 'x-veza-error': 'no-route' }, '{}');
    case 'unsigned-error':
      return send(502, {}, '<h1>Bad Gateway</h1>');
    case 'release-error':
      return send(500, signed, '{}');
    case 'lost-inside':
      return send(502, { ...signed, 'x-demo-lost': 'call to api: ECONNRESET' }, '{}');
    case 'failed-down-the-chain':
      return send(502, { ...signed, 'x-demo-failed-by': 'rel_worker' }, '{}');
    case 'never':
      return;
    case 'slow':
      setTimeout(() => send(right.status, signed, right.body), slowMs);
      return;
    case 'not-http':
      return void socket?.end('SSH-2.0-OpenSSH_9.2p1\r\n');
  }
}

function rightAnswer(url: URL, body: Buffer, messages: readonly Message[]): { status: number; body: string } {
  const json = (status: number, value: unknown) => ({ status, body: JSON.stringify(value) });
  const withChecksum = (message: Message) => ({ ...message, checksum: messageChecksum(message.client, message.seq) });
  const n = Number(url.searchParams.get('n'));
  const [, , , client, item] = url.pathname.split('/');
  const its = messages.filter((message) => message.client === client).toSorted((a, b) => a.seq - b.seq);
  switch (url.pathname) {
    case '/echo':
      return json(200, { n, checksum: echoChecksum(n) });
    case '/chain':
      return json(200, { n, checksum: chainChecksum(n), web: { version: 'v1' }, api: {}, worker: {} });
    case '/upload':
      return json(200, { bytes: body.length, sha256: createHash('sha256').update(body).digest('hex') });
    case '/api/messages':
      return json(201, withChecksum(JSON.parse(body.toString('utf8')) as Message));
    default:
  }
  if (item === 'count') return json(200, { count: its.length });
  if (item === undefined) {
    const after = Number(url.searchParams.get('after'));
    return json(200, { messages: its.filter(({ seq }) => seq > after).map(withChecksum) });
  }
  const found = its.find(({ seq }) => seq === Number(item));
  return found === undefined ? json(404, {}) : json(200, withChecksum(found));
}

function streamEvents(
  incoming: IncomingMessage,
  response: ServerResponse,
  url: URL,
  fault: EventFault | null,
  timers: Set<NodeJS.Timeout>,
): void {
  if (fault === 'release-error') return void response.writeHead(500, signed).end();
  const last = incoming.headers['last-event-id'];
  const first = typeof last === 'string' ? Number(last) + 1 : Number(url.searchParams.get('from'));
  response.writeHead(200, { ...signed, 'content-type': 'text/event-stream' });
  const event = (n: number, checksum = eventChecksum(n)) => `id: ${n}\ndata: ${JSON.stringify({ n, checksum })}\n\n`;
  response.write(event(first) + event(first + 1));
  const next = first + 2;
  switch (fault) {
    case 'clean':
      return void response.end();
    case 'cut-mid-event':
      return void response.write(event(next).slice(0, 20), () => response.socket?.destroy());
    case 'end-mid-event':
      return void response.end(event(next).slice(0, 20));
    case 'cut-between-events':
      return void response.write(event(next), () => response.socket?.destroy());
    case 'gap':
      return void response.end(event(next + 3));
    case 'wrong-checksum':
      return void response.end(event(next, 'nonsense'));
    case 'silent':
      return;
    case null: {
      let n = next;
      const timer = setInterval(() => response.write(event(n++)), 50);
      timers.add(timer);
      response.on('close', () => clearInterval(timer));
    }
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
