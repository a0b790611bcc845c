import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http';
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net';
import type { GatewayLimits } from './limits.ts';

/** A connection that the client wants to use for another protocol, with what it sent behind the request. */
export interface UpgradeSocket {
  readonly socket: Socket;
  readonly head: Buffer;
}

export type OnRequest = (
  request: IncomingMessage,
  response: ServerResponse,
  upgrade: UpgradeSocket | null,
  expectsContinue: boolean,
) => void;

/**
 * Opens an HTTP listener. Rejects with the system's error when the address cannot be listened on. Port 0 takes a free
 * one. Whatever one request throws is reported and costs that request alone.
 */
export function openListener(
  limits: GatewayLimits,
  onError: (error: unknown) => void,
  listen: { readonly host: string; readonly port: number },
  onRequest: OnRequest,
): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer({
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    // A large upload may take hours; what may not is silence, which each request's own deadlines see.
    requestTimeout: 0,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: limits.keepAliveMs,
    noDelay: true,
    // A client that offers HTTP/2 over plain text (RFC 7540, 3.2) is answered in HTTP/1.1, as that allows.
    shouldUpgradeCallback: (request) => !/^\s*(?:h2c|tls\/)/i.test(request.headers.upgrade ?? ''),
  });
  // Node would drop what is above silently; the count is checked with the head.
  server.maxHeadersCount = 0;
  server.maxConnections = limits.maxConnections;
  server.timeout = 0;

  const guarded: OnRequest = (request, response, upgrade, expectsContinue) => {
    try {
      onRequest(request, response, upgrade, expectsContinue);
    } catch (error) {
      onError(error);
      request.socket.destroy();
    }
  };
  server.on('request', (request, response) => guarded(request, response, null, false));
  server.on('checkContinue', (request, response) => guarded(request, response, null, true));
  server.on('upgrade', (request, socket, head) => {
    // The server hands over the socket without listeners.
    socket.on('error', () => {});
    guarded(request, responseOver(request, socket as Socket), { socket: socket as Socket, head }, false);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (socket.writable && error.code !== 'ECONNRESET') socket.end(refusalOf(error.code));
    else socket.destroy();
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: listen.host, port: listen.port, backlog: 4_096 }, () => {
      server.off('error', reject);
      server.on('error', onError);
      resolve({ server, port: (server.address() as AddressInfo).port });
    });
  });
}

/** Stops listening; connections end after the request that they carry, idle ones at once. */
export function closeListener(server: Server): void {
  server.close();
  server.closeIdleConnections();
}

/**
 * Stops listening and leaves every connection as it is. The HTTP server's own `close` would also cut idle connections,
 * and with them the request that a client is sending over one at this moment.
 */
export function stopListening(server: Server): void {
  NetServer.prototype.close.call(server);
}

/** An ordinary answer over a socket that was handed over for an upgrade that then does not happen. */
function responseOver(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  socket.on('drain', () => response.emit('drain'));
  response.once('finish', () => socket.end());
  return response;
}

/** What to say to a client whose bytes were no request. */
function refusalOf(code: string | undefined): string {
  const [status, problem] =
    code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', 'headers-too-large']
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'request-timeout']
        : ['400 Bad Request', 'bad-request'];
  return `HTTP/1.1 ${status}\r\nx-veza-error: ${problem}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`;
}
