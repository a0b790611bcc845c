import type { InstanceConnection } from './http1/instance-connection.ts';
import type { ParsedAnswer } from './http1/message.ts';
import { addOwnHeaders } from './outgoing.ts';
import type { Chosen } from './pick-arm.ts';
import { headersForClient } from './request-head.ts';
import type { ExchangeContext, RoutedRequest } from './routed-request.ts';
import { Tunnel } from './tunnel.ts';
import type { Upstream } from './upstream.ts';

/** An instance that has agreed to another protocol. */
export interface Agreed {
  readonly answer: ParsedAnswer;
  readonly connection: InstanceConnection;
  readonly upstream: Upstream;
  /** By the slot that was not chosen. */
  readonly rescued: boolean;
}

/**
 * Tells the client that the instance has agreed, and carries bytes both ways from here on.
 *
 * @param finish ends the request that asked for it; called when the tunnel is in flight in its place
 */
export function openTunnel(
  context: ExchangeContext,
  routed: RoutedRequest,
  chosen: Chosen,
  { answer, connection, upstream, rescued }: Agreed,
  finish: () => void,
): void {
  const { request, client, service } = routed;
  const protocol = request.upgrade ?? '';
  const headers = headersForClient(answer);
  addOwnHeaders(routed, chosen, rescued, headers);
  let text = 'HTTP/1.1 101 Switching Protocols\r\n';
  for (let i = 0; i + 1 < headers.length; i += 2) text += `${headers[i] ?? ''}: ${headers[i + 1] ?? ''}\r\n`;
  const { socket, head } = client.takeOver();
  socket.write(`${text}connection: Upgrade\r\nupgrade: ${protocol}\r\n\r\n`, 'latin1');
  service.streams += 1;
  const webSocket = protocol.toLowerCase() === 'websocket';
  const tunnel = new Tunnel(
    socket,
    connection,
    webSocket,
    chosen.entry.proxy.idleTimeoutMs,
    context,
    service,
    upstream,
  );
  upstream.join(tunnel);
  connection.use(tunnel);
  finish();
  tunnel.start(head);
}
