import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * New connections are still on their way when a router stops sending them. The system resets what it has taken and we have
 * not when the door closes, so it must be quiet for so long before that; not for ever, for who never stops sending.
 */
const QUIET_MS = 100;
const QUIET_AT_MOST_MS = 2000;

/** A listening HTTP server that can stop without losing a request. */
export class Listener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #answers = new Set<ServerResponse>();
  #lastConnection = 0;
  #draining = false;
  #whenNoneLeft: (() => void) | null = null;

  constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#lastConnection = performance.now();
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
      this.#answers.add(response);
      if (this.#draining) response.shouldKeepAlive = false;
      response.once('close', () => {
        this.#answers.delete(response);
        if (this.#answers.size === 0) this.#whenNoneLeft?.();
      });
    });
  }

  /** Requests under way. */
  get active(): number {
    return this.#answers.size;
  }

  /** @throws what the system says, such as EADDRINUSE */
  async listen(host: string, port: number): Promise<string> {
    this.#server.listen({ host, port });
    await once(this.#server, 'listening');
    const address = this.#server.address() as AddressInfo;
    const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
    return `http://${name}:${address.port}`;
  }

  /**
   * Stops in this order: no connection is taken any more once none has come for a moment; requests under way finish, and so
   * does `endless`; connections close after their answer; idle ones last. Requests that still come on kept connections
   * meanwhile are answered.
   *
   * @param endless ends what would go on for ever, such as WebSockets
   * @param timeoutMs after this whatever is left is cut off
   * @returns how many requests were cut off
   */
  async drain(endless: () => Promise<void>, timeoutMs: number): Promise<number> {
    const deadline = performance.now() + timeoutMs;
    this.#draining = true;
    for (const answer of this.#answers) if (!answer.headersSent) answer.shouldKeepAlive = false;
    const ended = endless();
    await this.#quiet(deadline);
    // `http.Server.close` would also cut idle connections off, on which a request may be under way already.
    NetServer.prototype.close.call(this.#server);
    await within(ended, deadline);
    await within(this.#noneLeft(), deadline);
    const cutOff = this.#answers.size;
    this.#server.closeIdleConnections();
    // Who connected and has not said anything yet gets a moment to.
    const patience = Math.min(deadline, performance.now() + 200);
    while (this.#sockets.size > 0 && performance.now() < patience) {
      await sleep(10);
      await within(this.#noneLeft(), deadline);
      this.#server.closeIdleConnections();
    }
    this.#server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close(() => undefined); // takes down its timer
    return cutOff;
  }

  async #quiet(deadline: number): Promise<void> {
    const until = Math.min(deadline, performance.now() + QUIET_AT_MOST_MS);
    const from = performance.now();
    for (;;) {
      const now = performance.now();
      const quietFor = now - Math.max(this.#lastConnection, from);
      if (quietFor >= QUIET_MS || now >= until) return;
      await sleep(Math.max(1, Math.min(QUIET_MS - quietFor, until - now)));
    }
  }

  #noneLeft(): Promise<void> {
    if (this.#answers.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenNoneLeft = resolve;
    });
  }
}

/** Waits for `work`, but not past `deadline` (on the clock of `performance.now`). */
async function within(work: Promise<void>, deadline: number): Promise<void> {
  const over = new AbortController();
  await Promise.race([
    work.finally(() => over.abort()),
    sleep(Math.max(0, deadline - performance.now()), undefined, { signal: over.signal }).catch(() => undefined),
  ]);
}
