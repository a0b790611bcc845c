import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { Chat } from './chat.ts';
import { FRAME_AT_MOST_BYTES } from './frames.ts';

export const SOCKET_PATH = '/chat/v1/socket';

/**
 * Opens WebSockets at `/chat/v1/socket`. Who they are for is said by their first frame, not by a cookie, so a foreign page
 * can do nothing in a person's name; origins are compared all the same when some are given.
 * @param allowedOrigins of pages that may connect; null for any
 */
export function openSockets(server: Server, chat: Chat, allowedOrigins: readonly string[] | null): void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: FRAME_AT_MOST_BYTES,
    perMessageDeflate: false,
    clientTracking: false,
  });
  server.on('upgrade', (request, socket: Duplex, head: Buffer) => {
    const [path] = (request.url ?? '').split('?');
    const { origin } = request.headers;
    if (path !== SOCKET_PATH) return refuse(socket, '404 Not Found');
    if (origin !== undefined && allowedOrigins !== null && !allowedOrigins.includes(origin)) {
      return refuse(socket, '403 Forbidden');
    }
    sockets.handleUpgrade(request, socket, head, (opened) => chat.accept(opened));
  });
}

function refuse(socket: Duplex, status: string): void {
  socket.on('error', () => undefined);
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
