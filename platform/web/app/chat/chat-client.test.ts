import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket as ServerSocket } from 'ws';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Failure } from '../failure.ts';
import { ChatClient } from './chat-client.ts';
import type { ChatMessage, ClientFrame } from './frames.ts';

const ROOM = 'room-1';

/** A small chat over a real WebSocket: stores what is said once, and may lose its clients or its answers. */
class Service {
  readonly messages: ChatMessage[] = [];
  readonly tokens: string[] = [];
  /** Whether what is said is stored without a word to anybody. */
  mute = false;
  refuseTokens = 0;
  refuseWith: string | null = null;
  readonly #server = new WebSocketServer({ port: 0, host: '127.0.0.1' });

  constructor() {
    this.#server.on('connection', (socket) => {
      socket.on('message', (data: Buffer) => this.#take(socket, JSON.parse(data.toString()) as ClientFrame));
    });
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get connections(): number {
    return this.#server.clients.size;
  }

  say(text: string, id: string | null = null): void {
    const seq = this.messages.length + 1;
    const message = { room: ROOM, seq, id, author: 'somebody', name: 'S', text, at: '2026-01-01T00:00:00.000Z' };
    this.messages.push(message);
    if (!this.mute) for (const client of this.#server.clients) send(client, { type: 'message', ...message });
  }

  /** Sends what is at the end again, as if what is before it had been lost. */
  skipTo(text: string): void {
    this.mute = true;
    this.say('lost on its way');
    this.mute = false;
    this.say(text);
  }

  drop(code: number): void {
    for (const client of this.#server.clients) client.close(code);
  }

  close(): void {
    for (const client of this.#server.clients) client.terminate();
    this.#server.close();
  }

  #take(socket: ServerSocket, frame: ClientFrame): void {
    switch (frame.type) {
      case 'hello':
      case 'renew':
        this.tokens.push(frame.token);
        if (this.refuseTokens > 0) {
          this.refuseTokens -= 1;
          send(socket, { type: 'refused', code: 'token-refused', detail: '' });
          socket.close(4401);
        } else send(socket, { type: 'welcome', person: 'me' });
        return;
      case 'join':
        send(socket, { type: 'joined', room: ROOM, last: this.messages.length, present: ['me'] });
        for (const message of this.messages.slice(frame.after ?? this.messages.length)) {
          send(socket, { type: 'message', ...message });
        }
        return;
      case 'say': {
        if (this.refuseWith !== null) {
          send(socket, { type: 'refused', code: this.refuseWith, detail: '', id: frame.id, room: ROOM });
          return;
        }
        if (!this.messages.some(({ id }) => id === frame.id)) this.say(frame.text, frame.id);
        return;
      }
      case 'leave':
        return;
    }
  }
}

function send(socket: ServerSocket, frame: object): void {
  socket.send(JSON.stringify(frame));
}

let service: Service;
let client: ChatClient;
let ids: number;

beforeEach(() => {
  service = new Service();
  ids = 0;
  client = new ChatClient({
    url: () => service.url,
    open: (url) => new WebSocket(url),
    token: (refused) => Promise.resolve(refused === null ? 'first' : `${refused}+`),
    history: (_room, after, limit) => Promise.resolve(service.messages.slice(after, after + limit)),
    random: () => 0.1,
    newId: () => `id-${(ids += 1)}`,
  });
});

afterEach(() => {
  client.close();
  service.close();
});

const view = () => client.room(ROOM).value;
const texts = (): string[] => view().messages.map(({ text }) => text);

async function entered(): Promise<() => void> {
  const leave = client.enter(ROOM);
  await expect.poll(() => view().state, { timeout: 5000 }).toBe('joined');
  return leave;
}

describe('the chat client', () => {
  test('shows what was said before it came, and what is said then', async () => {
    for (const text of ['one', 'two']) service.say(text);
    await entered();
    await expect.poll(texts).toEqual(['one', 'two']);
    service.say('three');
    await expect.poll(texts).toEqual(['one', 'two', 'three']);
  });

  test('misses nothing that was said while it was away', async () => {
    await entered();
    service.say('before');
    await expect.poll(texts).toEqual(['before']);
    service.drop(1001);
    for (const text of ['away 1', 'away 2']) service.say(text);
    await expect.poll(texts, { timeout: 5000 }).toEqual(['before', 'away 1', 'away 2']);
    expect(client.connection.value).toBe('open');
  });

  test('says again what nobody answered, and it is there once', async () => {
    await entered();
    service.mute = true;
    client.say(ROOM, 'hello?');
    await expect.poll(() => service.messages.length).toBe(1);
    expect(view().pending).toHaveLength(1);
    service.mute = false;
    service.drop(1001);
    await expect.poll(texts, { timeout: 5000 }).toEqual(['hello?']);
    expect(view().pending).toEqual([]);
    expect(service.messages).toHaveLength(1);
  });

  test('says when it is joined what was said before it was', async () => {
    client.enter(ROOM);
    client.say(ROOM, 'early');
    await expect.poll(texts, { timeout: 5000 }).toEqual(['early']);
  });

  test('fills a gap', async () => {
    await entered();
    service.skipTo('after the gap');
    await expect.poll(texts).toEqual(['lost on its way', 'after the gap']);
  });

  test('comes back with a newer token when its own is refused', async () => {
    service.refuseTokens = 1;
    await entered();
    expect(service.tokens).toEqual(['first', 'first+']);
  });

  test('hands a newer token on without a new connection', async () => {
    await entered();
    client.renewed('second');
    await expect.poll(() => service.tokens).toEqual(['first', 'second']);
    expect(service.connections).toBe(1);
    expect(view().state).toBe('joined');
  });

  test('says again soon what the service could not take now, and shows what it will not take', async () => {
    await entered();
    service.refuseWith = 'room-busy';
    client.say(ROOM, 'patience');
    await expect.poll(() => view().pending.length).toBe(1);
    service.refuseWith = null;
    await expect.poll(texts, { timeout: 5000 }).toEqual(['patience']);
    service.refuseWith = 'erased';
    client.say(ROOM, 'never');
    await expect.poll(() => view().pending[0]?.refused).toBe('erased');
  });

  test('leaves a room that nobody looks at any more, and begins anew with the next', async () => {
    service.say('one');
    const leave = await entered();
    leave();
    service.say('two');
    await entered();
    await expect.poll(texts).toEqual(['one', 'two']);
  });

  test('does not come back once it is closed, or logged out', async () => {
    await entered();
    client.close();
    await expect.poll(() => service.connections).toBe(0);
    expect(client.connection.value).toBe('closed');

    const loggedOut = new ChatClient({
      url: () => service.url,
      open: (url) => new WebSocket(url),
      token: () => Promise.reject(new Failure(401, 'logged-out')),
      history: () => Promise.resolve([]),
      random: () => 0.1,
      newId: () => 'id',
    });
    loggedOut.enter(ROOM);
    await expect.poll(() => loggedOut.connection.value).toBe('closed');
    expect(service.connections).toBe(0);
  });
});
