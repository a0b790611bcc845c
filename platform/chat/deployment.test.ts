import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { freshDatabase, type FreshDatabase } from '../rig/fresh-database.ts';
import { startPostgres, type Postgres } from '../rig/postgres.ts';
import { freePort } from '../rig/program.ts';
import { startRedis, type RedisServer } from '../rig/redis.ts';
import type { Message } from './message.ts';
import type { ServerFrame } from './frames.ts';
import { somebody, TEST_INTERNAL_KEY, TEST_RING, until, type TestPerson } from './test-rig.ts';

/** Leads each new connection to one of the instances that are up, as a router does. */
class Switch {
  readonly #targets: number[] = [];
  readonly #server: Server;
  #next = 0;

  constructor() {
    this.#server = createServer((client) => {
      const port = this.#targets[this.#next++ % Math.max(1, this.#targets.length)];
      if (port === undefined) return void client.destroy();
      const instance = connect(port, '127.0.0.1');
      client.pipe(instance).pipe(client);
      for (const socket of [client, instance]) socket.on('error', () => (client.destroy(), instance.destroy()));
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  add(port: number): void {
    this.#targets.push(port);
  }

  remove(port: number): void {
    this.#targets.splice(this.#targets.indexOf(port), 1);
  }

  close(): void {
    this.#server.close();
  }
}

/** The service as a process of its own, as it is deployed. */
class Instance {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  static async start(environment: Record<string, string>): Promise<Instance> {
    const port = await freePort();
    const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
      env: { PATH: process.env['PATH'] ?? '', LOG_LEVEL: 'fatal', PORT: String(port), ...environment },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const instance = new Instance(port, child);
    const ready = (): Promise<boolean> | boolean => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
      return fetch(`http://127.0.0.1:${port}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
    };
    await until('the instance is ready', ready, 90_000); // a busy machine loads the sources slowly
    return instance;
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    this.#child.kill(signal);
    await once(this.#child, 'exit');
    return this.#child.exitCode;
  }
}

/**
 * A client as the web's: it comes back with `after`, and says again what was not acknowledged, in order and with the same ids.
 * What it hears it only notes down.
 */
class Member {
  readonly heard: Message[] = [];
  readonly acknowledged = new Map<string, number>();
  readonly said: string[] = [];
  readonly closes: number[] = [];
  readonly #url: string;
  readonly #room: string;
  readonly #person: TestPerson;
  readonly #waiting = new Map<string, string>();
  #socket: WebSocket | null = null;
  #joined = false;
  #over = false;
  #running: Promise<void>;

  constructor(url: string, room: string, person: TestPerson) {
    this.#url = `${url.replace('http', 'ws')}/chat/v1/socket`;
    this.#room = room;
    this.#person = person;
    this.#running = this.#run();
  }

  say(): void {
    const id = randomUUID();
    this.said.push(id);
    this.#waiting.set(id, `${this.said.length}`);
    if (this.#joined) this.#sayAgain(id);
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  get joined(): boolean {
    return this.#joined;
  }

  async close(): Promise<void> {
    this.#over = true;
    this.#socket?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      const socket = new WebSocket(this.#url);
      this.#socket = socket;
      socket.on('error', () => undefined);
      socket.on('open', () => void this.#hello(socket));
      socket.on('message', (data: Buffer) => this.#take(JSON.parse(data.toString('utf8')) as ServerFrame));
      // Not `once`: it rejects with the error of a connection that could not be made.
      const code = await new Promise<number>((resolve) => socket.on('close', resolve));
      this.#joined = false;
      this.closes.push(code);
      await sleep(20);
    }
  }

  async #hello(socket: WebSocket): Promise<void> {
    socket.send(JSON.stringify({ type: 'hello', token: await this.#person.token() }));
  }

  #take(frame: ServerFrame): void {
    if (frame.type === 'welcome') {
      this.#socket?.send(JSON.stringify({ type: 'join', room: this.#room, after: this.heard.at(-1)?.seq ?? 0 }));
    } else if (frame.type === 'joined') {
      this.#joined = true;
      for (const id of this.#waiting.keys()) this.#sayAgain(id);
    } else if (frame.type === 'message') {
      this.heard.push(frame);
    } else if (frame.type === 'said') {
      this.#waiting.delete(frame.id);
      this.acknowledged.set(frame.id, frame.seq);
    } else if (frame.type === 'refused') {
      const { id } = frame;
      if (id !== undefined) setTimeout(() => this.#sayAgain(id), 50);
    }
  }

  #sayAgain(id: string): void {
    const text = this.#waiting.get(id);
    if (text === undefined || this.#socket?.readyState !== WebSocket.OPEN || !this.#joined) return;
    this.#socket.send(JSON.stringify({ type: 'say', room: this.#room, id, text }));
  }
}

describe.each(['redis', 'postgres'] as const)('a room over deployments, with %s as broker', (kind) => {
  let postgres: Postgres;
  let redis: RedisServer | null = null;
  let database: FreshDatabase;
  let front: Switch;
  let url: string;
  const instances: Instance[] = [];

  beforeAll(async () => {
    postgres = await startPostgres();
    database = await freshDatabase(['chat'], { server: postgres.url });
    if (kind === 'redis') redis = await startRedis();
    front = new Switch();
    url = await front.listen();
  });
  afterAll(async () => {
    await Promise.all(instances.map((instance) => instance.stop('SIGKILL')));
    front.close();
    await redis?.stop();
    await postgres.stop();
  });

  async function start(): Promise<Instance> {
    const instance = await Instance.start({
      DATABASE_URL: database.url,
      KEY_RING: TEST_RING,
      INTERNAL_KEY: TEST_INTERNAL_KEY,
      CHAT_MESSAGES_PER_SECOND: '10000',
      ...(redis === null ? {} : { REDIS_URL: redis.url }),
    });
    instances.push(instance);
    front.add(instance.port);
    return instance;
  }

  test('instances stopped one after another, one killed, the broker killed: nothing missing, nothing twice, in order', async () => {
    let [old, other] = [await start(), await start()];
    const people = Array.from({ length: 4 }, () => somebody());
    const [first] = people;
    if (first === undefined) throw new Error('nobody');
    const made = await fetch(`${url}/chat/v1/rooms`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await first.token()}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'over deployments' }),
    });
    const { id: room } = (await made.json()) as { id: string };
    const members = people.map((person) => new Member(url, room, person));
    const talk = setInterval(() => {
      for (const member of members) member.say();
    }, 10);
    const progress = async (): Promise<void> => {
      const before = members.map(({ acknowledged }) => acknowledged.size);
      await until('everybody gets on', () =>
        members.every((member, place) => member.joined && member.acknowledged.size > (before[place] ?? 0) + 20),
      );
    };
    try {
      await progress();
      for (let round = 0; round < 3; round += 1) {
        const [next, after] = [await start(), await start()];
        for (const going of [old, other]) {
          front.remove(going.port);
          expect(await going.stop('SIGTERM')).toBe(0);
          await progress();
        }
        [old, other] = [next, after];
      }
      // One more, without a word: what it had accepted and not acknowledged is said again.
      front.remove(old.port);
      await old.stop('SIGKILL');
      await start();
      await progress();
      const broker = redis ?? postgres;
      await broker.kill();
      await sleep(200);
      await broker.start();
      await progress();
    } finally {
      clearInterval(talk);
    }
    await until('all is acknowledged', () => members.every(({ waiting }) => waiting === 0));
    const total = members.reduce((sum, { said }) => sum + said.length, 0);
    await until('all was heard', () => members.every(({ heard }) => (heard.at(-1)?.seq ?? 0) >= total));
    await Promise.all(members.map((member) => member.close()));

    for (const { heard } of members) {
      expect(heard.map(({ seq }) => seq)).toEqual(Array.from({ length: total }, (_, index) => index + 1));
      expect(new Set(heard.map(({ id }) => id)).size).toBe(total);
    }
    for (const [place, { said, acknowledged }] of members.entries()) {
      const author = people[place]?.id;
      const own = members[0]?.heard.filter((message) => message.author === author) ?? [];
      for (const { id, seq } of own) expect(acknowledged.get(id ?? '')).toBe(seq);
      expect(own.map(({ id }) => id).toSorted()).toEqual(said.toSorted());
      // Connections that ended on purpose ended with 1001; the others had no chance to say anything.
      expect(members[place]?.closes.filter((code) => ![1001, 1005, 1006, 1013].includes(code))).toEqual([]);
    }
  }, 300_000);
});
