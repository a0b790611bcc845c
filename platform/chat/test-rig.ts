import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { createLog, type Log } from '../kit/log.ts';
import { parseKeyRing } from '../tokens/key-ring.ts';
import { createSigner } from '../tokens/signer.ts';
import type { ServerFrame } from './frames.ts';

/** For tests: the ring, people with tokens, and a client that checks what it hears. */
export const TEST_RING = 'a secret of at least thirty-two characters, for tests of the chat';
export const TEST_INTERNAL_KEY = 'an-internal-key-of-at-least-thirty-two-characters';

export const silentLog: Log = createLog({ level: 'silent', base: {} });

export interface TestPerson {
  readonly id: string;
  /** @param ageMs how long ago it was signed */
  token(ageMs?: number): Promise<string>;
}

export function somebody(): TestPerson {
  const id = randomUUID();
  const sessionId = randomUUID();
  return {
    id,
    token: (ageMs = 0) =>
      createSigner(parseKeyRing(TEST_RING, 'signer'), () => Date.now() - ageMs).sign({ id, sessionId }),
  };
}

/** Polls until it is true. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(10);
  }
}

type FrameOf<Type extends ServerFrame['type']> = Extract<ServerFrame, { type: Type }>;

/** One connection, which keeps every frame that it hears. */
export class TestClient {
  readonly socket: WebSocket;
  readonly frames: ServerFrame[] = [];
  closed: { readonly code: number; readonly reason: string } | null = null;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => this.frames.push(JSON.parse(data.toString('utf8')) as ServerFrame));
    socket.on('close', (code, reason) => (this.closed = { code, reason: reason.toString('utf8') }));
  }

  /** @param url http://… of the service */
  static async open(url: string): Promise<TestClient> {
    const client = new TestClient(new WebSocket(`${url.replace('http', 'ws')}/chat/v1/socket`));
    await once(client.socket, 'open');
    return client;
  }

  static async hello(url: string, person: TestPerson, ageMs = 0): Promise<TestClient> {
    const client = await TestClient.open(url);
    client.send({ type: 'hello', token: await person.token(ageMs) });
    await client.hear('welcome');
    return client;
  }

  send(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }

  all<Type extends ServerFrame['type']>(type: Type): FrameOf<Type>[] {
    return this.frames.filter((frame): frame is FrameOf<Type> => frame.type === type);
  }

  /** The first frame of that type that `is` the one. */
  async hear<Type extends ServerFrame['type']>(
    type: Type,
    is: (frame: FrameOf<Type>) => boolean = () => true,
  ): Promise<FrameOf<Type>> {
    await until(`a frame ${type}`, () => this.all(type).some(is) || this.closed !== null);
    const found = this.all(type).find(is);
    if (found === undefined) throw new Error(`closed with ${this.closed?.code} ${this.closed?.reason} before ${type}`);
    return found;
  }

  async join(room: string, after?: number): Promise<FrameOf<'joined'>> {
    this.send({ type: 'join', room, ...(after === undefined ? {} : { after }) });
    return this.hear('joined', (frame) => frame.room === room);
  }

  /** Says it and waits for its number. */
  async say(room: string, text: string, id: string = randomUUID()): Promise<number> {
    this.send({ type: 'say', room, id, text });
    return (await this.hear('said', (frame) => frame.id === id)).seq;
  }

  async close(): Promise<void> {
    if (this.closed !== null) return;
    this.socket.close();
    await until('closed', () => this.closed !== null);
  }
}
