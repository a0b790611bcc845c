import { createHash } from 'node:crypto';
import { WebSocketServer } from 'ws';
import { call } from './call.ts';
import { behaviour, instance, sendJson, serve, type Request } from './chassis.ts';
import { page } from './page.ts';

// The web service is what users see: a page, and one example of every kind of traffic.

interface Chain {
  readonly checksum: string;
  readonly api: { readonly version: string; readonly instance: string };
  readonly worker: { readonly version: string; readonly instance: string };
}

const apiUrl = process.env['API_URL'] ?? 'http://127.0.0.1:3001';
const eventEveryMs = 100;
const self = { version: behaviour.version, instance };
const openStreams = new Set<() => void>();
const sockets = new WebSocketServer({ noServer: true });

const server = serve({
  name: 'web',

  async handle(request) {
    const { method, url, response } = request;
    switch (`${method} ${url.pathname}`) {
      case 'GET /':
        response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
        response.end(page(self, await chain(request).catch(() => null)));
        return true;
      case 'GET /echo': {
        const n = Number(url.searchParams.get('n'));
        sendJson(response, 200, { n, checksum: checksum(`echo:${n}`), ...self });
        return true;
      }
      case 'GET /chain': {
        const n = Number(url.searchParams.get('n'));
        sendJson(response, 200, { n, web: self, ...(await chain(request)) });
        return true;
      }
      case 'POST /upload':
        await upload(request);
        return true;
      case 'GET /events':
        events(request);
        return true;
      default:
        return false;
    }
  },

  stopping() {
    for (const end of openStreams) end();
    for (const socket of sockets.clients) socket.close(1001, 'restarting');
  },
});

server.on('upgrade', (incoming, socket, head) => {
  if (new URL(incoming.url ?? '/', 'http://service').pathname !== '/ws') {
    socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    return;
  }
  sockets.handleUpgrade(incoming, socket, head, (webSocket) => {
    webSocket.on('error', () => webSocket.terminate());
    webSocket.on('message', (data) => {
      const { n } = JSON.parse((data as Buffer).toString('utf8')) as { n: number };
      webSocket.send(JSON.stringify({ n, checksum: checksum(`ws:${n}`), ...self }));
    });
  });
});
sockets.on('headers', (headers) => headers.push(`x-demo-release: web ${behaviour.version}`));

/** Through api to worker and back: which release of each answers. */
async function chain(request: Request): Promise<Chain> {
  const n = Number(request.url.searchParams.get('n') ?? 0);
  return (await call(request, 'api', apiUrl, `/api/chain?n=${n}`)) as Chain;
}

/** Counts and hashes a body as it comes, without keeping it. */
async function upload({ incoming, response }: Request): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  sendJson(response, 200, { bytes, sha256: hash.digest('hex'), ...self });
}

/** Numbered events, from `?from=` on or after the one that `Last-Event-ID` names. */
function events({ url, incoming, response }: Request): void {
  const last = incoming.headers['last-event-id'];
  let n = typeof last === 'string' ? Number(last) + 1 : Number(url.searchParams.get('from') ?? 0);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const send = () => {
    if (response.writableNeedDrain) return;
    const data = JSON.stringify({ n, checksum: checksum(`event:${n}`), ...self });
    response.write(`id: ${n}\ndata: ${data}\n\n`);
    n += 1;
  };
  send();
  const timer = setInterval(send, eventEveryMs);
  const end = () => {
    clearInterval(timer);
    openStreams.delete(end);
    response.end();
  };
  openStreams.add(end);
  response.on('close', end);
}

function checksum(text: string): string {
  return createHash('sha256').update(`veza-demo:${text}`).digest('hex');
}
