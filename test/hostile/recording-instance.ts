import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Endpoint } from '../../src/core/route-table.ts';
import { readRequest, type ReadRequest } from './strict-reader.ts';

// An instance that keeps every byte it gets and answers what a strict reading of them says is a request. A raw TCP server:
// no HTTP library stands between the bytes and the record.

/** What one connection brought since the last `forget`. */
export interface Arrival {
  readonly connection: number;
  readonly bytes: Buffer;
  readonly requests: readonly ReadRequest[];
  /** The bytes behind the last request are the beginning of one. */
  readonly incomplete: boolean;
  /** The bytes are no request. */
  readonly fault: string | null;
  readonly open: boolean;
}

interface Connection {
  readonly number: number;
  readonly socket: Socket;
  /** Everything since the last `forget`, and what was incomplete then. */
  bytes: Buffer;
  /** Behind the last complete request. */
  readTo: number;
  requests: ReadRequest[];
  fault: string | null;
  open: boolean;
}

/** Answers instead of the usual one; null: the usual one. */
export type Answering = (request: ReadRequest, socket: Socket) => 'answered' | null;

/** The usual answer: it says what it answers, so that an answer to something else is seen. */
export function usualAnswer({ method, target, body }: ReadRequest): Buffer {
  const text = `${method} ${target} ${body.length}`;
  const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Instance: recording\r\nContent-Length: ${text.length}\r\n\r\n`;
  return Buffer.from(method === 'HEAD' ? head : head + text, 'latin1');
}

export class RecordingInstance {
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #order = new WeakMap<ReadRequest, number>();
  #count = 0;
  #requests = 0;
  /** Set for answers that are not the usual one. */
  answering: Answering | null = null;
  /** Told of each request and fault, for recordings that are not kept. */
  heard: ((request: ReadRequest | null, fault: string | null) => void) | null = null;

  constructor() {
    this.#server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => this.#accept(socket));
  }

  async start(): Promise<Endpoint> {
    this.#server.listen(0, '127.0.0.1');
    await new Promise((resolve) => this.#server.once('listening', resolve));
    return { id: 'recording', host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
  }

  /** What came on all connections since the last `forget`. */
  arrivals(): readonly Arrival[] {
    return [...this.#connections]
      .filter(({ bytes }) => bytes.length > 0)
      .map(({ number, bytes, requests, readTo, fault, open }) => ({
        connection: number,
        bytes,
        requests,
        incomplete: fault === null && readTo < bytes.length,
        fault,
        open,
      }));
  }

  /** When a request was complete, among all requests. */
  orderOf(request: ReadRequest): number {
    return this.#order.get(request) ?? 0;
  }

  /** Complete requests to a target, since the last `forget`. */
  countOf(target: string): number {
    let count = 0;
    for (const { requests } of this.#connections) count += requests.filter((one) => one.target === target).length;
    return count;
  }

  /** Drops what was recorded, but for the beginning of a request that is still to be completed. */
  forget(): void {
    for (const connection of this.#connections) {
      if (connection.open) {
        connection.bytes = Buffer.from(connection.bytes.subarray(connection.readTo));
        connection.readTo = 0;
        connection.requests = [];
      } else this.#connections.delete(connection);
    }
  }

  /** Ends the connections that are open, so that the next case meets none. */
  dropConnections(): void {
    for (const { socket } of this.#connections) socket.destroy();
  }

  get openConnections(): number {
    return [...this.#connections].filter(({ open }) => open).length;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.dropConnections();
    await closed;
  }

  #accept(socket: Socket): void {
    const connection: Connection = {
      number: (this.#count += 1),
      socket,
      bytes: Buffer.alloc(0),
      readTo: 0,
      requests: [],
      fault: null,
      open: true,
    };
    this.#connections.add(connection);
    socket.on('error', () => {});
    socket.once('close', () => (connection.open = false));
    socket.on('data', (chunk: Buffer) => {
      connection.bytes = connection.bytes.length === 0 ? chunk : Buffer.concat([connection.bytes, chunk]);
      this.#read(connection);
    });
  }

  #read(connection: Connection): void {
    const { socket } = connection;
    while (connection.fault === null && connection.readTo < connection.bytes.length) {
      const reading = readRequest(connection.bytes, connection.readTo);
      if (reading.kind === 'incomplete') return;
      if (reading.kind === 'fault') {
        connection.fault = reading.fault;
        this.heard?.(null, reading.fault);
        socket.end('HTTP/1.1 400 Bad Request\r\nX-Instance: fault\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
        return;
      }
      connection.readTo = reading.end;
      connection.requests.push(reading.value);
      this.#order.set(reading.value, (this.#requests += 1));
      this.heard?.(reading.value, null);
      if (this.answering?.(reading.value, socket) !== 'answered') socket.write(usualAnswer(reading.value));
    }
  }
}
