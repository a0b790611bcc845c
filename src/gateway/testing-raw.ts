import net, { type AddressInfo, type Socket } from 'node:net';
import type { Endpoint } from '../core/route-table.ts';

/** An instance for tests that sees bytes and answers with bytes. */
export interface RawInstance {
  readonly endpoint: Endpoint;
  readonly connections: readonly RawConnection[];
  /** Everything that was received, connection after connection. */
  heard(): string;
  end(): Promise<void>;
}

export interface RawConnection {
  readonly socket: Socket;
  heard: string;
}

/** @param onData called with a connection and all it has heard, whenever more has come */
export async function rawInstance(
  onData: (connection: RawConnection, number: number) => unknown,
  id = 'a',
): Promise<RawInstance> {
  const connections: RawConnection[] = [];
  const server = net.createServer({ noDelay: true }, (socket) => {
    const connection: RawConnection = { socket, heard: '' };
    const number = connections.push(connection);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      connection.heard += chunk.toString('latin1');
      onData(connection, number);
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: { id, host: '127.0.0.1', port },
    connections,
    heard: () => connections.map(({ heard }) => heard).join(''),
    async end() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const { socket } of connections) socket.resetAndDestroy();
      await closed;
    },
  };
}

/** Answers each whole request without body with the same bytes. */
export const always =
  (answer: string) =>
  (connection: RawConnection): void => {
    let count = connection.heard.split('\r\n\r\n').length - 1;
    const answered = answeredOn.get(connection) ?? 0;
    answeredOn.set(connection, count);
    for (; count > answered; count -= 1) connection.socket.write(answer, 'latin1');
  };

const answeredOn = new WeakMap<RawConnection, number>();

export const plain = (body: string): string => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

/** A client for tests that sends bytes and sees bytes. */
export interface RawClient {
  readonly socket: Socket;
  heard(): string;
  send(text: string): void;
  /** Resolves when the gateway has closed or reset the connection. */
  readonly closed: Promise<void>;
}

export async function rawClient(port: number): Promise<RawClient> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  let heard = '';
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return { socket, heard: () => heard, send: (text) => socket.write(text, 'latin1'), closed };
}

/** Waits for a condition, and says which when it does not come. */
export async function until(condition: () => boolean, what: string, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`did not happen within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
