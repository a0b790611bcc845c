import http from 'node:http';
import { ask, openEvents, openWebSocket, sha256, type EventReader, type WebSocketClient } from './router-client.ts';
import { until } from './router-instance.ts';

/** Clients of all kinds that a gateway has at once, and what went wrong for them. */
export interface GatewayLoad {
  readonly done: () => number;
  /** What clients saw that they should not have: a refused connection, an answer cut short, a status. */
  readonly wrong: readonly string[];
  readonly webSockets: readonly WebSocketClient[];
  readonly events: readonly EventReader[];
  /** Waits until so many more requests have been answered. */
  more(requests: number): Promise<void>;
  /** Checks that every stream that was opened at the beginning still carries messages both ways. */
  streamsLive(): Promise<void>;
  end(): Promise<void>;
}

const streamsOfEachKind = 4;

/** Kept connections, connections for one request, POSTs, uploads of half a second, event streams and WebSockets. */
export async function startGatewayLoad(port: number): Promise<GatewayLoad> {
  const state = { running: true, done: 0, sent: 0 };
  const wrong: string[] = [];
  const webSockets = await Promise.all(Array.from({ length: streamsOfEachKind }, () => openWebSocket(port)));
  const events = await Promise.all(Array.from({ length: streamsOfEachKind }, () => openEvents(port)));
  const body = Buffer.alloc(40_000, 'upload');
  const digest = sha256(body);

  async function* slowly() {
    for (let at = 0; at < body.length; at += 4_000) {
      yield body.subarray(at, at + 4_000);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async function client(kind: 'kept' | 'new' | 'post' | 'upload'): Promise<void> {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const one = (): ReturnType<typeof ask> => {
      if (kind === 'kept') return ask(port, '/', { agent });
      if (kind === 'new') return ask(port, '/');
      if (kind === 'post') return ask(port, '/upload', { method: 'POST', body, agent });
      return ask(port, '/upload', { method: 'POST', pieces: slowly(), agent });
    };
    while (state.running) {
      try {
        const answer = await one();
        const right =
          kind === 'post' || kind === 'upload' ? answer.body.includes(digest) : answer.body.includes('instance');
        if (answer.status !== 200 || !right) wrong.push(`${kind}: ${answer.status} ${answer.body.slice(0, 100)}`);
      } catch (error) {
        wrong.push(`${kind}: ${String(error)}`);
      }
      state.done += 1;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    agent.destroy();
  }

  const kinds = ['kept', 'kept', 'kept', 'new', 'new', 'post', 'post', 'upload', 'upload'] as const;
  const clients = kinds.map(client);
  return {
    done: () => state.done,
    wrong,
    webSockets,
    events,
    async more(requests) {
      const reached = state.done + requests;
      await until(() => state.done >= reached, `${requests} more requests`);
    },
    async streamsLive() {
      state.sent += 1;
      const text = `alive ${state.sent}`;
      const lengths = events.map((reader) => reader.text().length);
      for (const { socket } of webSockets) socket.send(text);
      await until(() => webSockets.every(({ messages }) => messages.includes(text)), 'every WebSocket echoes');
      await until(
        () => events.every((reader, n) => reader.text().length > (lengths[n] ?? 0)),
        'every event stream flows',
      );
    },
    async end() {
      state.running = false;
      await Promise.all(clients);
      for (const { socket } of webSockets) socket.terminate();
      for (const reader of events) reader.close();
    },
  };
}
