import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ClientRequest } from './client-request.ts';
import type { ClientStream } from './client-stream.ts';
import type { CertificateBook } from './data-plane.ts';
import { readingShared } from './http1/accepted-socket.ts';
import { ClientConnection, type ClientHost } from './http1/client-connection.ts';
import { serveHttp2, type Http2Connection } from './http2/h2-connection.ts';
import type { GatewayLimits } from './limits.ts';
import { acceptTls } from './tls/tls-listener.ts';

/** What all listeners share. */
export interface ListenerContext {
  readonly limits: GatewayLimits;
  readonly closing: boolean;
  now(): number;
  recent(): number;
  newRequestId(): string;
  failed(error: unknown): void;
}

const tooMany =
  'HTTP/1.1 503 Service Unavailable\r\nx-veza-error: overloaded\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n';

/** A listening socket and the connections that came in by it. */
export class ListenerHost implements ClientHost {
  readonly limits: GatewayLimits;
  readonly #context: ListenerContext;
  readonly #server: Server;
  readonly #route: (request: ClientRequest, stream: ClientStream) => void;
  readonly #http1 = new Set<ClientConnection>();
  readonly #http2 = new Set<Http2Connection>();
  #sockets = 0;
  #stopAccepting: () => void = () => {};
  #handshakes: () => number = () => 0;
  #retired = false;

  constructor(context: ListenerContext, server: Server, route: (request: ClientRequest, stream: ClientStream) => void) {
    this.limits = context.limits;
    this.#context = context;
    this.#server = server;
    this.#route = route;
  }

  get closing(): boolean {
    return this.#retired || this.#context.closing;
  }

  /** Open connections, also those that were upgraded, and those whose TLS handshake is not over. */
  get connections(): number {
    return this.#sockets + this.#handshakes();
  }

  /** Whether an answer is on its way out. */
  get busy(): boolean {
    for (const connection of this.#http1) if (!connection.isIdle || connection.pendingBytes > 0) return true;
    for (const connection of this.#http2) if (connection.openStreams > 0) return true;
    return false;
  }

  get bufferedBytes(): number {
    let bytes = 0;
    for (const connection of this.#http1) bytes += connection.pendingBytes;
    return bytes;
  }

  accept(): void {
    const take = (accepted: Socket): void => {
      const socket = readingShared(accepted);
      if (!this.#admit(socket)) return;
      socket.setNoDelay(true);
      this.#http1.add(new ClientConnection(socket, false, this));
    };
    this.#server.on('connection', take);
    this.#stopAccepting = () => this.#server.off('connection', take);
  }

  acceptTls(book: CertificateBook, minVersion: 'TLSv1.2' | 'TLSv1.3', http2: boolean): void {
    const { headersTimeoutMs: handshakeTimeoutMs, maxConnections } = this.limits;
    const mayAccept = (): boolean => this.connections < maxConnections;
    const options = { book, minVersion, http2, handshakeTimeoutMs, mayAccept };
    const accepting = acceptTls(this.#server, options, (socket, protocol) => {
      if (!this.#admit(socket)) return;
      if (protocol === 'h2') this.#serveHttp2(socket);
      else this.#http1.add(new ClientConnection(socket, true, this));
    });
    this.#stopAccepting = () => accepting.close();
    this.#handshakes = () => accepting.handshakes;
  }

  #admit(socket: Socket): boolean {
    if (this.#sockets >= this.limits.maxConnections) {
      socket.on('error', ignore);
      socket.end(tooMany, () => socket.destroy());
      return false;
    }
    this.#sockets += 1;
    socket.on('close', this.#socketClosed);
    return true;
  }

  #serveHttp2(socket: TLSSocket): void {
    const connection = serveHttp2(socket, (request, stream) => this.onRequest(request, stream), this.limits);
    this.#http2.add(connection);
    socket.once('close', () => this.#http2.delete(connection));
    if (this.closing) connection.goAway();
  }

  /** Accepts nothing more. */
  unlisten(): void {
    this.#stopAccepting();
    if (this.#server.listening) this.#server.close();
  }

  /** Each connection ends behind its next answer. */
  leave(): void {
    this.#retired = true;
    for (const connection of this.#http2) connection.goAway();
  }

  destroy(): void {
    for (const connection of this.#http1) connection.destroy();
    for (const connection of this.#http2) connection.destroy();
  }

  sweep(now: number): void {
    for (const connection of this.#http1) connection.sweep(now);
  }

  now(): number {
    return this.#context.now();
  }

  recent(): number {
    return this.#context.recent();
  }

  newRequestId(): string {
    return this.#context.newRequestId();
  }

  onRequest(request: ClientRequest, stream: ClientStream): void {
    this.#route(request, stream);
  }

  left(connection: ClientConnection): void {
    this.#http1.delete(connection);
  }

  failed(error: unknown): void {
    this.#context.failed(error);
  }

  readonly #socketClosed = (): void => {
    this.#sockets -= 1;
  };
}

const ignore = (): void => {};
