import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import type { ClientRequest } from '../../src/gateway/client-request.ts';
import type { ClientStream } from '../../src/gateway/client-stream.ts';
import { serveHttp2, type Http2Connection } from '../../src/gateway/http2/h2-connection.ts';
import { defaultLimits, type GatewayLimits } from '../../src/gateway/limits.ts';
import { PemCertificateBook } from '../../src/gateway/tls/certificate-book.ts';
import { acceptTls } from '../../src/gateway/tls/tls-listener.ts';
import { makeLeaf } from '../../src/gateway/tls/x509.ts';

export interface Seen {
  readonly request: ClientRequest;
  readonly stream: ClientStream;
  readonly body: Buffer[];
  trailers: readonly string[] | null;
  gone: boolean;
  drained: number;
}

export interface Http2Server {
  readonly port: number;
  readonly seen: Seen[];
  readonly connections: Http2Connection[];
  sockets(): number;
  close(): Promise<void>;
}

/**
 * The encrypted edge without anything behind it.
 *
 * @param answer what to do with a request; by default 200 with its path
 */
export async function startHttp2Server(
  answer: (seen: Seen) => void = answerWithPath,
  limits: Partial<GatewayLimits> = {},
): Promise<Http2Server> {
  const { certificate, key } = await makeLeaf(['a.test'], null, { from: Date.now(), ms: 86_400_000 }, randomBytes(16));
  const book = new PemCertificateBook({ minVersion: 'TLSv1.2', ticketKeys: null, now: Date.now });
  book.replace([{ hosts: ['a.test'], certificate, key, notAfter: Date.now() + 86_400_000, source: 'development' }]);
  const seen: Seen[] = [];
  const connections: Http2Connection[] = [];
  let sockets = 0;
  const server = createServer();
  acceptTls(server, { book, minVersion: 'TLSv1.2', http2: true, handshakeTimeoutMs: 5_000 }, (socket) => {
    sockets += 1;
    socket.once('close', () => {
      sockets -= 1;
    });
    connections.push(
      serveHttp2(
        socket,
        (request, stream) => {
          const one: Seen = { request, stream, body: [], trailers: null, gone: false, drained: 0 };
          seen.push(one);
          stream.events = {
            bodyData: (bytes) => void one.body.push(Buffer.from(bytes)),
            bodyEnd: (trailers) => {
              one.trailers = trailers;
            },
            drained: () => {
              one.drained += 1;
            },
            gone: () => {
              one.gone = true;
            },
          };
          answer(one);
        },
        { ...defaultLimits, ...limits },
      ),
    );
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    connections,
    sockets: () => sockets,
    async close() {
      for (const connection of connections) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function answerWithPath({ request, stream }: Seen): void {
  const body = Buffer.from(request.target);
  const withBody = request.method !== 'HEAD';
  stream.begin(200, '', ['content-type', 'text/plain'], body.length, withBody);
  if (withBody) stream.write(body);
  stream.end(null);
}
