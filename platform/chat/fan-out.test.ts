import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Database } from '../database/connect.ts';
import { createMetrics } from '../kit/metrics.ts';
import { freshDatabase, type FreshDatabase } from '../rig/fresh-database.ts';
import { ask, startPostgres } from '../rig/postgres.ts';
import { startRedis } from '../rig/redis.ts';
import type { FanOut, Missed, Poke } from './fan-out.ts';
import { Feeds } from './feeds.ts';
import { Members } from './members.ts';
import type { Message } from './message.ts';
import { Outbox } from './outbox.ts';
import { createPostgresFanOut } from './postgres-fan-out.ts';
import { createRedisFanOut } from './redis-fan-out.ts';
import { Rooms } from './rooms.ts';
import { SayQueue } from './say-queue.ts';
import type { ChatTables } from './schema.ts';
import { Subscription } from './subscription.ts';
import { silentLog, until } from './test-rig.ts';

interface Broker {
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
  open(): FanOut;
  /** null: the one of the test run */
  readonly server: string | null;
}

const metrics = createMetrics({ service: 'chat' });

async function postgresBroker(): Promise<Broker> {
  const server = await startPostgres();
  const database = connect<ChatTables>({ url: server.url, schema: 'chat', metrics, log: silentLog });
  return {
    ...server,
    server: server.url,
    stop: async () => {
      await database.close();
      await server.stop();
    },
    open: () =>
      createPostgresFanOut({
        url: server.url,
        notify: async (channel, payload) =>
          void (await sql`select pg_notify(${channel}, ${payload})`.execute(database.write)),
        log: silentLog,
      }),
  };
}

async function redisBroker(): Promise<Broker> {
  const server = await startRedis();
  return { ...server, server: null, open: () => createRedisFanOut({ url: server.url, log: silentLog }) };
}

describe.each([
  ['Redis pub/sub', redisBroker],
  ['PostgreSQL LISTEN and NOTIFY', postgresBroker],
] as const)('fan-out over %s', (_name, startBroker) => {
  let broker: Broker;
  const opened: FanOut[] = [];

  beforeAll(async () => {
    broker = await startBroker();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((fanOut) => fanOut.close()));
  });
  afterAll(() => broker.stop());

  async function instance(): Promise<FanOut> {
    const fanOut = broker.open();
    opened.push(fanOut);
    await until('the instance listens', () => listens(fanOut));
    return fanOut;
  }

  function listens(fanOut: FanOut): Promise<boolean> {
    return fanOut.check(AbortSignal.timeout(2000)).then(
      () => true,
      () => false,
    );
  }

  /** Subscribes, and waits until listening has begun. */
  async function listen(fanOut: FanOut, room: string): Promise<{ heard: (Poke | Missed)[]; stop: () => void }> {
    const heard: (Poke | Missed)[] = [];
    const stop = fanOut.subscribe(room, (poke) => heard.push(poke));
    await until('missed, when listening begins', () => heard.some(({ kind }) => kind === 'missed'));
    return { heard, stop };
  }

  test('tells every instance that listens to the room, the one that publishes too, in order', async () => {
    const [one, other] = [await instance(), await instance()];
    const room = randomUUID();
    const [atOne, atOther] = [await listen(one, room), await listen(other, room)];
    const elsewhere = await listen(other, randomUUID());

    const pokes: Poke[] = [
      { kind: 'message', seq: 1 },
      { kind: 'presence' },
      { kind: 'message', seq: 9_007_199_254_740_991 },
    ];
    for (const poke of pokes) await one.publish(room, poke);

    for (const { heard } of [atOne, atOther]) {
      await until('all three', () => heard.filter(({ kind }) => kind !== 'missed').length === 3);
      expect(heard.filter(({ kind }) => kind !== 'missed')).toEqual(pokes);
    }
    expect(elsewhere.heard.every(({ kind }) => kind === 'missed')).toBe(true);
  });

  test('tells nothing to who does not listen any more, and still the others in the same instance', async () => {
    const fanOut = await instance();
    const room = randomUUID();
    const [gone, stays] = [await listen(fanOut, room), await listen(fanOut, room)];
    gone.stop();
    gone.stop(); // twice is once
    await fanOut.publish(room, { kind: 'message', seq: 1 });
    await until('the other hears it', () => stays.heard.some(({ kind }) => kind === 'message'));
    expect(gone.heard.every(({ kind }) => kind === 'missed')).toBe(true);
  });

  test('what others write into the channel is passed over', async () => {
    const fanOut = await instance();
    const room = randomUUID();
    const { heard } = await listen(fanOut, room);
    const forged = ['', '0', '-1', '1e9', '12 13', '99999999999999999999', '{"seq":1}'];
    for (const seq of forged) await fanOut.publish(room, { kind: 'message', seq: seq as unknown as number });
    await fanOut.publish(room, { kind: 'message', seq: 5 });
    await until('the good one', () => heard.some((poke) => poke.kind === 'message' && poke.seq === 5));
    expect(heard.filter(({ kind }) => kind === 'message')).toEqual([{ kind: 'message', seq: 5 }]);
  });

  test('a broker that is away fails a publish at once, and says missed when it is back', async () => {
    const fanOut = await instance();
    const room = randomUUID();
    const { heard } = await listen(fanOut, room);
    await broker.kill();
    await until('it is known to be away', async () => !(await listens(fanOut)));
    const before = performance.now();
    await expect(fanOut.publish(room, { kind: 'message', seq: 1 })).rejects.toThrow();
    expect(performance.now() - before).toBeLessThan(5000);
    heard.length = 0;
    const later = randomUUID();
    const meanwhile: (Poke | Missed)[] = [];
    fanOut.subscribe(later, (poke) => meanwhile.push(poke));

    await broker.start();

    await until('missed', () => heard.some(({ kind }) => kind === 'missed'));
    await until('missed in the room that came meanwhile', () => meanwhile.some(({ kind }) => kind === 'missed'));
    await until('listening again', () => listens(fanOut));
    for (const one of [room, later]) await fanOut.publish(one, { kind: 'message', seq: 2 });
    await until('pokes again', () => [heard, meanwhile].every((list) => list.some(({ kind }) => kind === 'message')));
  });

  describe('with rooms', () => {
    let database: FreshDatabase;
    let connected: Database<ChatTables>;
    const room = randomUUID();
    const writers = Array.from({ length: 5 }, () => randomUUID());

    beforeAll(async () => {
      database = await freshDatabase(['chat'], broker.server === null ? {} : { server: broker.server });
      await ask(broker.server ?? database.url, `select 1`);
      connected = connect<ChatTables>({ url: database.url, schema: 'chat', pool: 12, metrics, log: silentLog });
      const members = new Members(connected.write);
      for (const writer of writers) await members.admit(writer, 'Writer');
      await members.createRoom(writers[0] ?? '', { id: room, name: 'the room' });
    });
    afterAll(async () => {
      await connected.close();
      await database.drop();
    });

    function chatInstance(fanOut: FanOut): { feeds: Feeds; queue: SayQueue; rooms: Rooms } {
      const rooms = new Rooms(connected.write);
      const feeds = new Feeds({ rooms, fanOut, onPresence: () => undefined, lookEveryMs: 250 });
      const queue = new SayQueue(async (where, sayings) => {
        const outcomes = await rooms.say(where, sayings);
        for (const outcome of outcomes) if (outcome.outcome === 'said') feeds.announce(where, outcome.seq);
        return outcomes;
      });
      return { feeds, queue, rooms };
    }

    /** Listens with a sink that takes each frame after `delayMs`; 0 is at once. */
    async function subscriber(
      { feeds, rooms }: { feeds: Feeds; rooms: Rooms },
      after: number,
      delay: () => Promise<void> | null,
    ): Promise<{ seen: Message[]; most: () => number; stop: () => void }> {
      const feed = await feeds.take(room);
      if (feed === null) throw new Error('no room');
      const seen: Message[] = [];
      let waiting = 0;
      let most = 0;
      let tail: Promise<void> = Promise.resolve();
      const outbox = new Outbox(
        {
          send(data, sent) {
            waiting += data.length;
            most = Math.max(most, waiting);
            const deliver = (): void => {
              waiting -= data.length;
              seen.push(JSON.parse(data) as Message);
              sent();
            };
            const wait = delay();
            if (wait === null) deliver();
            else tail = tail.then(() => wait).then(deliver);
          },
        },
        () => performance.now(),
      );
      const read = (from: number, limit: number): Promise<Message[]> => rooms.messages(room, from, limit);
      const subscription = new Subscription({ feed, outbox, read, after });
      return { seen, most: () => most, stop: () => (subscription.close(), feeds.release(room)) };
    }

    test('10,000 messages of five writers over two instances: all, once, in order, for the fast and for the slow', async () => {
      const [here, there] = [chatInstance(await instance()), chatInstance(await instance())];
      let gate = Promise.withResolvers<void>();
      const slow = await subscriber(there, 0, () => gate.promise);
      const fast = await subscriber(here, 0, () => null);
      const other = await subscriber(there, 0, () => null);

      const each = 2000;
      const texts = 'x'.repeat(200);
      const mine = new Map<string, number[]>();
      await Promise.all(
        writers.map(async (author, place) => {
          const { queue } = place % 2 === 0 ? here : there;
          const numbers: number[] = [];
          mine.set(author, numbers);
          for (let said = 0; said < each; said += 20) {
            const batch = Array.from({ length: 20 }, (_, part) =>
              queue.say(room, { author, id: randomUUID(), text: `${author} ${said + part} ${texts}` }),
            );
            for (const outcome of await Promise.all(batch)) {
              if (outcome.outcome !== 'said') throw new Error(outcome.outcome);
              numbers.push(outcome.seq);
            }
          }
        }),
      );
      const total = each * writers.length;
      await until('the fast ones have all', () => fast.seen.length >= total && other.seen.length >= total);
      expect(slow.seen).toHaveLength(0);
      expect(slow.most()).toBeLessThan(400 * 1024); // of more than 4 MB that were said
      gate.resolve();
      await until('the slow one has all', () => slow.seen.length >= total);

      for (const { seen } of [fast, other, slow]) {
        expect(seen.map(({ seq }) => seq)).toEqual(Array.from({ length: total }, (_, index) => index + 1));
      }
      for (const [author, numbers] of mine) {
        // In the order in which the writer said it, under the numbers that were acknowledged.
        expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
        const own = fast.seen.filter((message) => message.author === author);
        expect(own.map(({ seq }) => seq)).toEqual(numbers);
        expect(own.map(({ text }) => Number(text.split(' ')[1]))).toEqual(Array.from({ length: each }, (_, n) => n));
      }
      gate = Promise.withResolvers();
      for (const one of [slow, fast, other]) one.stop();
      for (const { feeds } of [here, there]) feeds.close();
    });

    test('a broker that is killed and comes back while people write: nothing is missed and nothing comes twice', async () => {
      const [here, there] = [chatInstance(await instance()), chatInstance(await instance())];
      const rooms = here.rooms;
      const begun = (await rooms.last([room])).get(room) ?? 0;
      const watching = await subscriber(there, begun, () => null);
      const acknowledged: number[] = [];
      let writing = true;
      const writer = (async () => {
        for (let said = 0; writing; said += 1) {
          const saying = { author: writers[0] ?? '', id: randomUUID(), text: String(said) };
          // Said until it is acknowledged, as clients do.
          for (let done = false; !done;) {
            const outcome = await here.queue.say(room, saying).catch(() => null);
            done = outcome?.outcome === 'said';
            if (outcome?.outcome === 'said') acknowledged.push(outcome.seq);
            else await sleep(20);
          }
        }
      })();
      for (let round = 0; round < 2; round += 1) {
        const before = acknowledged.length;
        await until('messages before', () => acknowledged.length > before + 50);
        await broker.kill();
        await sleep(100);
        await broker.start();
        const back = acknowledged.length;
        await until('messages after', () => acknowledged.length > back + 50);
      }
      writing = false;
      await writer;
      await until('all were seen', () => (watching.seen.at(-1)?.seq ?? 0) >= (acknowledged.at(-1) ?? 0));
      expect(watching.seen.map(({ seq }) => seq)).toEqual(acknowledged);
      expect(acknowledged).toEqual(acknowledged.map((_, index) => begun + index + 1));
      watching.stop();
      for (const { feeds } of [here, there]) feeds.close();
    });
  });
});
