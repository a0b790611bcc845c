import { createServer, type Server } from 'node:http';
import { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { LlhttpReading, ReadMessage } from './llhttp.ts';

/** Node's own server, strict, as another reader of requests: the octets come by a connection in memory. */
export class NodeServer {
  readonly #server: Server;
  #reading: LlhttpReading = { messages: [], error: null };

  constructor() {
    this.#server = createServer(
      { insecureHTTPParser: false, keepAliveTimeout: 0, requestTimeout: 0 },
      (request, response) => {
        const message: ReadMessage = {
          method: request.method ?? '',
          target: request.url ?? '',
          status: 0,
          headers: request.rawHeaders,
          body: '',
          trailers: [],
          headComplete: true,
          complete: false,
        };
        this.#reading.messages.push(message);
        request.on('data', (piece: Buffer) => (message.body += piece.toString('latin1')));
        request.on('error', () => undefined);
        request.on('end', () => {
          message.complete = request.complete;
          message.trailers.push(...request.rawTrailers);
          response.end();
        });
      },
    );
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      this.#reading.error ??= error.code ?? error.message;
      socket.destroy();
    });
    // Not asked for: Node answers 417, and reads on.
    this.#server.on('checkExpectation', (_, response) => response.end());
  }

  /** Reads requests that stand one behind the other, and then the connection ends. */
  async read(bytes: Buffer): Promise<LlhttpReading> {
    this.#reading = { messages: [], error: null };
    const connection = new Duplex({
      read: () => undefined,
      write: (_chunk, _encoding, done) => done(),
    });
    connection.on('error', () => undefined);
    this.#server.emit('connection', connection);
    connection.push(bytes);
    connection.push(null);
    // Each answer takes some turns of the event loop; nothing here waits for a clock.
    for (let turn = 0; turn < 200 && !connection.destroyed; turn += 1) await setImmediate();
    connection.destroy();
    return this.#reading;
  }
}
