// An instance for bench-loss and the soak: node instance-program.ts PORT STORE VERSION polite|plain
// It answers what the load client (src/load) asks, and appends messages to STORE before it acknowledges them.
//
// SIGTERM: takes no new connections, closes idle ones, finishes what is in flight. A `plain` one leaves WebSockets and event
// streams as they are, as most programs do ("Shutdown does not attempt to close nor wait for hijacked connections such as
// WebSockets", Go's net/http; Node's server.close is the same); a `polite` one tells them.
import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { WebSocketServer } from 'ws';

interface Message {
  readonly client: string;
  readonly seq: number;
  readonly text: string;
  readonly checksum: string;
}

const [port = '', store = '', version = '', manner = 'plain'] = process.argv.slice(2);
const eventEveryMs = 100;
const pageSize = 1_000;
const streams = new Set<() => void>();
const sockets = new WebSocketServer({ noServer: true });
const release = `web ${version}`;

const server = createServer((request, response) => {
  response.on('error', () => {});
  response.setHeader('x-demo-release', release);
  answer(request, response).catch(() => request.socket.destroy());
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://instance');
  const [, , collection, client, item] = url.pathname.split('/').map(decodeURIComponent);
  if (url.pathname === '/echo') {
    const n = Number(url.searchParams.get('n'));
    return send(response, 200, { n, checksum: sha256(`veza-demo:echo:${n}`) });
  }
  if (url.pathname === '/upload') return upload(request, response);
  if (url.pathname === '/events') return events(url, request, response);
  if (collection === 'messages' && request.method === 'POST') return keep(request, response);
  if (collection === 'messages' && item === 'count') return send(response, 200, { count: kept(client ?? '').length });
  if (collection === 'messages') {
    const after = Number(url.searchParams.get('after') ?? -1);
    const messages = kept(client ?? '').filter(({ seq }) => seq > after);
    return send(response, 200, { messages: messages.slice(0, pageSize) });
  }
  send(response, 404, {});
}

async function upload(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  send(response, 200, { bytes, sha256: hash.digest('hex') });
}

function events(url: URL, request: IncomingMessage, response: ServerResponse): void {
  const last = request.headers['last-event-id'];
  let n = typeof last === 'string' ? Number(last) + 1 : Number(url.searchParams.get('from') ?? 0);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const next = (): void => {
    if (response.writableNeedDrain) return;
    response.write(`id: ${n}\ndata: ${JSON.stringify({ n, checksum: sha256(`veza-demo:event:${n}`) })}\n\n`);
    n += 1;
  };
  next();
  const timer = setInterval(next, eventEveryMs);
  const end = (): void => {
    clearInterval(timer);
    streams.delete(end);
    response.end();
  };
  streams.add(end);
  response.on('close', end);
}

async function keep(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const { client, seq, text } = JSON.parse(Buffer.concat(chunks).toString()) as Message;
  const message: Message = { client, seq, text, checksum: sha256(text) };
  // One write of less than a page at the end of the file: whole, whoever else appends.
  appendFileSync(store, `${JSON.stringify(message)}\n`);
  send(response, 201, message);
}

function kept(client: string): readonly Message[] {
  const all = new Map<number, Message>();
  for (const line of readFileSync(store, 'utf8').split('\n')) {
    const message = line === '' ? null : (JSON.parse(line) as Message);
    if (message?.client === client) all.set(message.seq, message);
  }
  return [...all.values()].sort((a, b) => a.seq - b.seq);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

sockets.on('headers', (headers) => headers.push(`x-demo-release: ${release}`));
server.on('upgrade', (request, socket, head) => {
  socket.on('error', () => {});
  sockets.handleUpgrade(request, socket, head, (webSocket) => {
    webSocket.on('error', () => webSocket.terminate());
    webSocket.on('message', (data) => {
      const { n } = JSON.parse((data as Buffer).toString()) as { n: number };
      webSocket.send(JSON.stringify({ n, checksum: sha256(`veza-demo:ws:${n}`) }));
    });
  });
});
server.listen(Number(port), '127.0.0.1');

process.once('SIGTERM', () => {
  server.close();
  server.closeIdleConnections();
  if (manner === 'polite') {
    for (const end of streams) end();
    for (const socket of sockets.clients) socket.close(1001, 'restarting');
  }
  // Node's server would wait for the upgraded sockets too; nothing else keeps the process.
  setInterval(() => {
    server.closeIdleConnections();
    if (streams.size === 0 && sockets.clients.size === 0)
      server.getConnections((_, count) => count === 0 && process.exit(0));
  }, 50);
});
