import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startService, type StartedService } from '../kit/service.ts';
import { freshDatabase, type FreshDatabase } from '../rig/fresh-database.ts';
import { ask } from '../rig/postgres.ts';
import type { ChatLimits } from './chat.ts';
import { CONNECTION_LIMITS } from './connection.ts';
import { createChatService } from './service.ts';
import { somebody, TEST_INTERNAL_KEY, TEST_RING, TestClient, until, type TestPerson } from './test-rig.ts';

let database: FreshDatabase;
let profiles: Server;
const names = new Map<string, string>();
const services: StartedService[] = [];
const clients: TestClient[] = [];

beforeAll(async () => {
  database = await freshDatabase(['chat']);
  // What api says of people, over real HTTP.
  profiles = createServer((request, response) => {
    const id = /^\/api\/v1\/people\/([0-9a-f-]{36})$/.exec(request.url ?? '')?.[1] ?? '';
    const displayName = names.get(id);
    const signedIn = request.headers.authorization?.startsWith('Bearer ey') === true;
    response.statusCode = displayName === undefined || !signedIn ? 404 : 200;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ id, displayName }));
  });
  await new Promise<void>((resolve) => profiles.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await Promise.all(services.splice(0).map((service) => service.stop()));
});
afterAll(async () => {
  profiles.close();
  await database.drop();
});

async function instance(limits: Partial<ChatLimits> = {}, more: Record<string, string> = {}): Promise<StartedService> {
  const service = await startService(createChatService(limits), {
    PORT: '0',
    LOG_LEVEL: 'silent',
    DATABASE_URL: database.url,
    KEY_RING: TEST_RING,
    INTERNAL_KEY: TEST_INTERNAL_KEY,
    API_URL: `http://127.0.0.1:${(profiles.address() as AddressInfo).port}`,
    ...more,
  });
  services.push(service);
  await until('ready', async () => (await fetch(`${service.url}/readyz`)).ok);
  return service;
}

async function enter(url: string, person: TestPerson, ageMs = 0): Promise<TestClient> {
  const client = await TestClient.hello(url, person, ageMs);
  clients.push(client);
  return client;
}

async function open(url: string): Promise<TestClient> {
  const client = await TestClient.open(url);
  clients.push(client);
  return client;
}

async function call(url: string, path: string, person: TestPerson, body?: object): Promise<Response> {
  return fetch(url + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${await person.token()}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function newRoom(url: string, person: TestPerson): Promise<string> {
  const answer = await call(url, '/chat/v1/rooms', person, { name: 'Quiet corner' });
  expect(answer.status).toBe(201);
  return ((await answer.json()) as { id: string }).id;
}

test('what is said at one instance is heard at another, under the name of the profile, and stands in the history', async () => {
  const [one, other] = [await instance(), await instance()];
  const [anna, ben] = [somebody(), somebody()];
  names.set(anna.id, 'Anna Ø');
  const room = await newRoom(one.url, anna);
  const [atOne, atOther] = [await enter(one.url, anna), await enter(other.url, ben)];
  expect((await atOne.join(room)).last).toBe(0);
  await atOther.join(room);

  expect(await atOne.say(room, 'good evening')).toBe(1);

  const heard = await atOther.hear('message');
  expect(heard).toMatchObject({ room, seq: 1, author: anna.id, name: 'Anna Ø', text: 'good evening' });
  const history = (await (await call(other.url, `/chat/v1/rooms/${room}/messages?after=0`, ben)).json()) as object;
  const { type: _type, ...message } = heard;
  expect(history).toEqual({ messages: [message], last: 1 });
});

test('said again with the same id, by the same or another connection, it is said once', async () => {
  const [one, other] = [await instance(), await instance()];
  const anna = somebody();
  const room = await newRoom(one.url, anna);
  const [first, second] = [await enter(one.url, anna), await enter(other.url, anna)];
  await first.join(room);
  await second.join(room);
  const id = randomUUID();
  const seqs = await Promise.all([first.say(room, 'once', id), second.say(room, 'once', id)]);
  first.send({ type: 'say', room, id, text: 'once' });
  await until('acknowledged again', () => first.all('said').length === 2);
  expect([...seqs, ...first.all('said').map(({ seq }) => seq)]).toEqual([1, 1, 1, 1]);
  await first.say(room, 'next');
  await first.hear('message', ({ seq }) => seq === 2);
  expect(first.all('message').map(({ text }) => text)).toEqual(['once', 'next']);
});

test('joined with `after`, the history comes first and the present follows, without a gap and without a double', async () => {
  const service = await instance({ rate: { burst: 100, perSecond: 100 } });
  const [anna, ben] = [somebody(), somebody()];
  const room = await newRoom(service.url, anna);
  const writer = await enter(service.url, anna);
  await writer.join(room);
  for (let said = 1; said <= 30; said += 1) await writer.say(room, String(said));
  const reader = await enter(service.url, ben);
  const joining = reader.join(room, 7);
  for (let said = 31; said <= 40; said += 1) await writer.say(room, String(said));
  await joining;
  await reader.hear('message', ({ seq }) => seq === 40);
  expect(reader.all('message').map(({ seq }) => seq)).toEqual(Array.from({ length: 33 }, (_, index) => index + 8));
  // Joined again from elsewhere, on the same connection.
  reader.frames.length = 0;
  await reader.join(room, 38);
  await reader.hear('message', ({ seq }) => seq === 40);
  expect(reader.all('message').map(({ seq }) => seq)).toEqual([39, 40]);
});

test('presence: seen over instances, through a reconnect, and gone with an instance that died', async () => {
  const limits = { presence: { everyMs: 100, holdsMs: 1500, graceMs: 1000 } };
  const [one, other] = [await instance(limits), await instance(limits)];
  const [anna, ben] = [somebody(), somebody()];
  const room = await newRoom(one.url, anna);
  const watcher = await enter(one.url, anna);
  expect((await watcher.join(room)).present).toEqual([anna.id]);

  const visitor = await enter(other.url, ben);
  expect((await visitor.join(room)).present.toSorted()).toEqual([anna.id, ben.id].toSorted());
  await watcher.hear('presence', ({ person, state }) => person === ben.id && state === 'here');

  // A connection that breaks and comes back at another instance within the grace: nobody goes away.
  visitor.socket.terminate();
  const again = await enter(one.url, ben);
  await again.join(room);
  await until('the first instance forgot', async () => {
    const rows = await ask<{ n: number }>(
      database.url,
      `select count(distinct instance)::int as n from chat.presence where room = '${room}' and person = '${ben.id}' and until > now()`,
    );
    return rows[0]?.n === 1;
  });
  expect(watcher.all('presence').filter(({ state }) => state === 'away')).toEqual([]);

  again.send({ type: 'leave', room });
  await watcher.hear('presence', ({ person, state }) => person === ben.id && state === 'away');

  // An instance that died said until when it holds, and no more after that.
  await ask(
    database.url,
    `insert into chat.presence values ('${room}', '${ben.id}', '${randomUUID()}', now() + interval '700 ms')`,
  );
  await until('here', () => watcher.all('presence').filter(({ state }) => state === 'here').length >= 2);
  await until('away', () => watcher.all('presence').filter(({ state }) => state === 'away').length === 2);
});

test('nobody gets in without a good token, and no frame is taken before the first', async () => {
  const { url } = await instance({ connection: { ...CONNECTION_LIMITS, helloWithinMs: 300 }, tickEveryMs: 50 });
  const early = await open(url);
  early.send({ type: 'join', room: randomUUID() });
  expect((await early.hear('refused')).code).toBe('hello-first');
  const wrong = await open(url);
  wrong.send({ type: 'hello', token: `${(await somebody().token()).slice(0, -2)}AA` });
  expect((await wrong.hear('refused')).code).toBe('token-refused');
  await until('closed', () => wrong.closed !== null);
  expect(wrong.closed?.code).toBe(4401);
  const silent = await open(url);
  await until('closed', () => silent.closed !== null);
  expect(silent.closed?.code).toBe(4408);
});

test('a token that ends while the connection lives: renewed it goes on, else it is closed with 4401', async () => {
  const { url } = await instance({ tickEveryMs: 50 });
  const [anna, ben] = [somebody(), somebody()];
  const almost = (900 + 30 - 2) * 1000; // two seconds before it is refused, the skew included
  const [renews, forgets] = [await enter(url, anna, almost), await enter(url, ben, almost)];
  renews.send({ type: 'renew', token: await ben.token() });
  expect((await renews.hear('refused')).code).toBe('other-person');
  renews.send({ type: 'renew', token: await anna.token() });
  await until('renewed', () => renews.all('welcome').length === 2);
  await until('closed', () => forgets.closed !== null);
  expect(forgets.closed).toEqual({ code: 4401, reason: 'token-expired' });
  const room = await newRoom(url, anna);
  await renews.join(room);
  expect(await renews.say(room, 'still here')).toBe(1);
});

test('frames that are too large, not text or not understood', async () => {
  const { url } = await instance();
  const anna = somebody();
  const room = await newRoom(url, anna);
  const client = await enter(url, anna);
  await client.join(room);
  const hostile = ['', '{', '[]', '{"type":"say"}', '{"type":"__proto__"}', `{"type":"join","room":"1' or 1=1"}`];
  for (const text of hostile) client.socket.send(text);
  client.send({ type: 'say', room, id: randomUUID(), text: 'a\0b' });
  client.send({ type: 'say', room, id: randomUUID(), text: 'x'.repeat(4001) });
  await until('all refused', () => client.all('refused').length === hostile.length + 2);
  expect(new Set(client.all('refused').map(({ code }) => code))).toEqual(new Set(['malformed']));
  expect(await client.say(room, '😀'.repeat(2000))).toBe(1); // the longest there is
  client.socket.send('x'.repeat(33 * 1024));
  await until('closed', () => client.closed !== null);
  expect(client.closed?.code).toBe(1009);
  const binary = await enter(url, anna);
  binary.socket.send(Buffer.from('{}'));
  await until('closed', () => binary.closed !== null);
  expect(binary.closed?.code).toBe(1003);
});

test('refusals name the message or the room that they are about', async () => {
  const { url } = await instance();
  const anna = somebody();
  const room = await newRoom(url, anna);
  const client = await enter(url, anna);
  const [id, nowhere] = [randomUUID(), randomUUID()];
  client.send({ type: 'say', room, id, text: 'too early' });
  expect(await client.hear('refused')).toMatchObject({ code: 'not-joined', id, room });
  client.send({ type: 'join', room: nowhere });
  expect(await client.hear('refused', ({ code }) => code === 'no-such-room')).toMatchObject({ room: nowhere });
  expect((await call(url, `/chat/v1/rooms/${nowhere}/messages`, anna)).status).toBe(404);
});

test('who talks too fast is refused, message by message, and nothing of it is stored', async () => {
  const { url } = await instance({ rate: { burst: 3, perSecond: 0.001 } });
  const anna = somebody();
  const room = await newRoom(url, anna);
  const client = await enter(url, anna);
  await client.join(room);
  const ids = Array.from({ length: 5 }, () => randomUUID());
  for (const id of ids) client.send({ type: 'say', room, id, text: id });
  await until('all answered', () => client.all('said').length + client.all('refused').length === 5);
  expect(client.all('said').map(({ id }) => id)).toEqual(ids.slice(0, 3));
  expect(client.all('refused').map(({ code, id }) => [code, id])).toEqual(ids.slice(3).map((id) => ['too-fast', id]));
  const history = await call(url, `/chat/v1/rooms/${room}/messages`, anna);
  expect(((await history.json()) as { last: number }).last).toBe(3);
});

test('a client that does not read costs a bounded amount of memory and is closed with 1013', async () => {
  const connection = { ...CONNECTION_LIMITS, stalledMs: 500, closeWithinMs: 60_000 };
  const limits = { connection, tickEveryMs: 50, rate: { burst: 1e6, perSecond: 1e6 } };
  const { url, metricsUrl } = await instance(limits, { METRICS_PORT: 'any' });
  const [anna, ben] = [somebody(), somebody()];
  const room = await newRoom(url, anna);
  const [writer, stuck] = [await enter(url, anna), await enter(url, ben)];
  await writer.join(room);
  await stuck.join(room);
  stuck.socket.pause();
  const before = process.memoryUsage().rss;
  let said = 0;
  // Until the buffers of both kernels and of the service are full.
  for (;;) {
    const page = await (await fetch(metricsUrl ?? '')).text();
    if (page.includes('chat_connections_ended_total{reason="too-slow"} 1')) break;
    const from = said;
    for (; said < from + 60; said += 1) writer.send({ type: 'say', room, id: randomUUID(), text: 'x'.repeat(4000) });
    await until('stored', () => (writer.all('said').at(-1)?.seq ?? 0) >= said);
    writer.frames.length = 0;
  }
  stuck.socket.resume();
  await until('closed', () => stuck.closed !== null);
  expect(stuck.closed).toEqual({ code: 1013, reason: 'too-slow' });
  expect(process.memoryUsage().rss - before).toBeLessThan(250 * 1024 * 1024);
  // It missed nothing: it comes back with what it has.
  const had = stuck.all('message').at(-1)?.seq ?? 0;
  expect(stuck.all('message').map(({ seq }) => seq)).toEqual(Array.from({ length: had }, (_, index) => index + 1));
  const back = await enter(url, ben);
  await back.join(room, had);
  await back.hear('message', ({ seq }) => seq === said);
  expect(back.all('message')[0]?.seq).toBe(had + 1);
});

test('drained while people talk: everything accepted is acknowledged before 1001, and nothing else was stored', async () => {
  const service = await instance({ rate: { burst: 1e6, perSecond: 1e6 } });
  const watch = await instance();
  const people = Array.from({ length: 5 }, () => somebody());
  const [first] = people;
  if (first === undefined) throw new Error('nobody');
  const room = await newRoom(service.url, first);
  const talking = await Promise.all(people.map((person) => enter(service.url, person)));
  for (const client of talking) await client.join(room);
  const talk = setInterval(() => {
    for (const client of talking) {
      for (let said = 0; said < 20; said += 1) client.send({ type: 'say', room, id: randomUUID(), text: 'on and on' });
    }
  }, 5);
  try {
    await until('under way', () => talking.every((client) => client.all('said').length > 50));
    await service.stop();
  } finally {
    clearInterval(talk);
  }
  await until('all closed', () => talking.every(({ closed }) => closed !== null));
  expect(talking.map(({ closed }) => closed?.code)).toEqual(talking.map(() => 1001));
  const acknowledged = talking.flatMap((client) => client.all('said').map(({ seq }) => seq));
  const [stored] = await ask<{ n: number }>(
    database.url,
    `select count(*)::int as n from chat.messages where room = '${room}'`,
  );
  expect(acknowledged.toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: stored?.n ?? 0 }, (_, index) => index + 1),
  );
  expect(new Set(acknowledged).size).toBe(acknowledged.length);
  expect((await fetch(`${watch.url}/readyz`)).ok).toBe(true);
});

test('an erased person is gone from both instances at once, and a token that is still good brings nobody back', async () => {
  const limits = { presence: { everyMs: 100, holdsMs: 1500, graceMs: 500 } };
  const [one, other] = [await instance(limits), await instance(limits)];
  const [anna, ben] = [somebody(), somebody()];
  names.set(anna.id, 'Anna of old');
  const room = await newRoom(one.url, anna);
  const [here, there, witness] = [
    await enter(one.url, anna),
    await enter(other.url, anna),
    await enter(other.url, ben),
  ];
  for (const client of [here, there, witness]) await client.join(room);
  await here.say(room, 'forget me');
  await witness.say(room, 'I stay');

  const erase = (): Promise<Response> =>
    fetch(`${one.url}/internal/v1/people/${anna.id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${TEST_INTERNAL_KEY}` },
    });
  expect(await (await erase()).json()).toMatchObject({ erased: { messages: 1, rooms: 1, members: 1 } });
  expect(await (await erase()).json()).toMatchObject({ erased: { messages: 0, rooms: 0, members: 0 } });

  await until('both closed', () => here.closed !== null && there.closed !== null);
  expect([here.closed?.code, there.closed?.code]).toEqual([4403, 4403]);
  const back = await open(one.url);
  back.send({ type: 'hello', token: await anna.token() });
  await until('closed', () => back.closed !== null);
  expect(back.closed?.code).toBe(4403);
  expect((await call(one.url, '/chat/v1/rooms', anna, { name: 'again' })).status).toBe(403);
  const reader = await enter(one.url, ben);
  await reader.join(room, 0);
  await reader.hear('message', ({ seq }) => seq === 2);
  expect(
    reader.all('message').map(({ author, id, name, text }) => ({ author, gone: id === null, name, text })),
  ).toEqual([
    { author: null, gone: true, name: '', text: '' },
    { author: ben.id, gone: false, name: 'Somebody', text: 'I stay' },
  ]);
});

test('internal paths answer nobody without the internal key', async () => {
  const { url } = await instance();
  for (const method of ['GET', 'DELETE']) {
    const answer = await fetch(`${url}/internal/v1/people/${randomUUID()}`, {
      method,
      headers: { authorization: `Bearer ${await somebody().token()}` },
    });
    expect(answer.status).toBe(401);
  }
});
