import http from 'node:http';
import type { Duplex } from 'node:stream';
import { JsonLines } from '../supervisor/json-lines.ts';
import { upgradeToken, type FromWorker, type ToWorker } from '../supervisor/messages.ts';

/** Milliseconds for the other side to answer. */
const connectMs = 5_000;

/** A connection to the supervisor in charge. */
export interface SupervisorConnection {
  send(message: FromWorker): void;
  /** Messages come from here on. */
  start(): void;
}

/**
 * Connects to a supervisor.
 *
 * @param socket path of its control socket
 * @param onGone called once when the connection has ended, after this has resolved
 * @throws Error when nobody listens there
 */
export function connectSupervisor(
  socket: string,
  hello: Extract<FromWorker, { readonly kind: 'hello' }>,
  onMessage: (message: ToWorker) => void,
  onGone: () => void,
): Promise<SupervisorConnection> {
  return new Promise((resolve, reject) => {
    const request = http.request({
      socketPath: socket,
      headers: { connection: 'Upgrade', upgrade: upgradeToken, 'x-veza-hello': JSON.stringify(hello) },
      agent: false,
      timeout: connectMs,
    });
    request.once('timeout', () => request.destroy(new Error('no answer')));
    request.once('error', reject);
    request.once('response', () => request.destroy(new Error('no supervisor answers there')));
    request.once('upgrade', (_response, stream: Duplex & { setTimeout?: (ms: number) => void }, head) => {
      stream.setTimeout?.(0);
      resolve(new JsonLines<ToWorker, FromWorker>(stream, head, onMessage, onGone));
    });
    request.end();
  });
}
