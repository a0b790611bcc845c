import { Agent, request } from 'node:http';
import { WebSocket } from 'ws';
import { Histogram } from '../load/histogram.ts';

export interface Limit {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Asked {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly expect: number;
}

/**
 * As much as it answers: `workers` of them, each asking again as soon as it has its answer (a closed loop). What is measured in
 * the first second is thrown away.
 *
 * @throws Error for the first answer that is not as expected: a limit of errors is none
 */
export async function driveToLimit(
  workers: number,
  ms: number,
  work: (worker: number) => Promise<void>,
): Promise<Limit> {
  const histogram = new Histogram();
  const warmUpMs = 1_000;
  const began = performance.now();
  let counted = 0;
  const one = async (_: unknown, worker: number): Promise<void> => {
    for (;;) {
      const start = performance.now();
      if (start - began > warmUpMs + ms) return;
      await work(worker);
      if (start - began < warmUpMs) continue;
      histogram.record(performance.now() - start);
      counted += 1;
    }
  };
  await Promise.all(Array.from({ length: workers }, one));
  const { p50, p99 } = histogram.quantiles();
  return { perSecond: (counted * 1_000) / ms, p50Ms: p50 ?? Number.NaN, p99Ms: p99 ?? Number.NaN };
}

/** Something that asks one service, on kept connections. */
export function asker(url: string): { readonly ask: (asked: Asked) => Promise<void>; readonly close: () => void } {
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  const { hostname, port } = new URL(url);
  const ask = (asked: Asked): Promise<void> =>
    new Promise((resolve, reject) => {
      const body = asked.json === undefined ? undefined : JSON.stringify(asked.json);
      const headers = { ...asked.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
      const sent = request(
        { agent, hostname, port, path: asked.path, method: asked.method ?? 'GET', headers },
        (answer) => {
          answer.resume();
          answer.once('error', reject);
          answer.once('end', () => {
            if (answer.statusCode === asked.expect) resolve();
            else reject(new Error(`${asked.path}: status ${answer.statusCode} instead of ${asked.expect}`));
          });
        },
      );
      sent.once('error', reject);
      sent.end(body);
    });
  return { ask, close: () => agent.destroy() };
}

/** A member of a chat room who says something and waits until it is acknowledged. */
export class Talker {
  readonly #socket: WebSocket;
  readonly #room: string;
  #acknowledged: (() => void) | null = null;

  private constructor(socket: WebSocket, room: string) {
    this.#socket = socket;
    this.#room = room;
  }

  static async join(url: string, token: string, room: string): Promise<Talker> {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/chat/v1/socket`, { perMessageDeflate: false });
    const talker = new Talker(socket, room);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', (code) => reject(new Error(`chat closed with ${code}`)));
      socket.once('open', () => talker.#send({ type: 'hello', token }));
      socket.on('message', (data) => {
        const frame = JSON.parse((data as Buffer).toString('utf8')) as { readonly type: string };
        if (frame.type === 'welcome') talker.#send({ type: 'join', room });
        if (frame.type === 'joined') resolve();
        if (frame.type === 'said') talker.#acknowledged?.();
        if (frame.type === 'refused') reject(new Error(`chat refused: ${JSON.stringify(frame)}`));
      });
    });
    return talker;
  }

  say(id: string): Promise<void> {
    return new Promise((resolve) => {
      this.#acknowledged = resolve;
      this.#send({ type: 'say', room: this.#room, id, text: 'what a chorus' });
    });
  }

  close(): void {
    this.#socket.close(1000);
  }

  #send(frame: object): void {
    this.#socket.send(JSON.stringify(frame));
  }
}
