import { createHash } from 'node:crypto';
import http from 'node:http';
import { WebSocket } from 'ws';

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string>;
  readonly body: string;
}

export interface Asking {
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: Buffer | string;
  readonly agent?: http.Agent;
  /** Pieces of the body that are sent one after another, chunked. */
  readonly pieces?: AsyncIterable<Buffer>;
}

/** One request; rejects when the answer is not complete. */
export function ask(port: number, path: string, asking: Asking = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: '127.0.0.1',
        port,
        path,
        method: asking.method ?? 'GET',
        headers: asking.headers ?? {},
        agent: asking.agent ?? false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          if (!response.complete) reject(new Error('cut short'));
          else {
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              trailers: response.trailers,
              body: Buffer.concat(chunks).toString(),
            });
          }
        });
      },
    );
    request.on('error', reject);
    if (asking.pieces === undefined) request.end(asking.body);
    else sendPieces(request, asking.pieces).catch(reject);
  });
}

async function sendPieces(request: http.ClientRequest, pieces: AsyncIterable<Buffer>): Promise<void> {
  for await (const piece of pieces) {
    if (!request.write(piece)) await new Promise((resolve) => request.once('drain', resolve));
  }
  request.end();
}

/** What an instance says about a request that reached it. */
export interface Echo {
  readonly instance: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

export async function echo(port: number, asking: Asking = {}, path = '/'): Promise<Echo & { readonly answer: Answer }> {
  const answer = await ask(port, path, asking);
  return { ...(JSON.parse(answer.body) as Echo), answer };
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** An event stream that is read until it ends; `clean` tells whether it ended as HTTP wants it. */
export interface EventReader {
  readonly text: () => string;
  readonly ended: Promise<{ readonly clean: boolean }>;
  close(): void;
}

/** Asks as every EventSource does (WHATWG HTML, 9.2). */
export function openEvents(port: number): Promise<EventReader> {
  return new Promise((resolve, reject) => {
    const headers = { accept: 'text/event-stream' };
    const request = http.get({ host: '127.0.0.1', port, path: '/events', headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      const ended = new Promise<{ clean: boolean }>((done) => {
        response.once('end', () => done({ clean: response.complete }));
        response.once('error', () => done({ clean: false }));
      });
      resolve({ text: () => text, ended, close: () => request.destroy() });
    });
    request.on('error', reject);
  });
}

export interface WebSocketClient {
  readonly socket: WebSocket;
  readonly messages: string[];
  readonly closed: Promise<{ readonly code: number }>;
}

export function openWebSocket(port: number, headers: Readonly<Record<string, string>> = {}): Promise<WebSocketClient> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers });
    const messages: string[] = [];
    socket.on('message', (data) => messages.push((data as Buffer).toString()));
    const closed = new Promise<{ code: number }>((done) => socket.once('close', (code) => done({ code })));
    socket.once('open', () => resolve({ socket, messages, closed }));
    socket.once('error', reject);
  });
}
