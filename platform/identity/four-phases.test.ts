import { createServer, request as httpRequest, type RequestListener, type Server } from 'node:http';
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMetrics, type Metrics } from '../kit/metrics.ts';
import { type StartedService, startService } from '../kit/service.ts';
import { freshDatabase, type FreshDatabase } from '../rig/fresh-database.ts';
import { base64url, rsaPair } from '../tokens/forge.ts';
import { JWKS_MAX_AGE_MS } from '../tokens/jwks-client.ts';
import { type KeyState, parseKeyRing } from '../tokens/key-ring.ts';
import { TokenRefused } from '../tokens/token-refused.ts';
import { createVerifier } from '../tokens/verifier.ts';
import { identity } from './service.ts';

// The migration from HS256 to RS256 (guide 15.3), walked forth and back over real HTTP: identity instances behind a balancer, services
// that verify with a key set each, and people who log in, refresh and call all the time. Only the clock is not real.

const SESSIONS = 12;
const PASSWORD = 'correct horse battery';
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** The longest that an access token is believed: its life and the skew. */
const LONGEST_TOKEN = 15 * MINUTE + 30_000;

let now = 1_780_000_000_000;
const clock = (): number => now;

interface Key {
  readonly kid: string;
  readonly alg: 'HS256' | 'RS256';
  readonly material: Readonly<Record<string, unknown>>;
}
const hmacKey = (kid: string): Key => ({ kid, alg: 'HS256', material: { secret: base64url(randomBytes(48)) } });
const rsaKey = (kid: string): Key => ({ kid, alg: 'RS256', material: { privateKey: rsaPair().privateJwk } });
const ring = (...keys: readonly (readonly [Key, KeyState])[]): string =>
  JSON.stringify({ keys: keys.map(([{ kid, alg, material }, state]) => ({ kid, alg, state, ...material })) });

/** Listens on loopback. @returns its URL */
async function listen(listener: RequestListener): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function stopServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

/** Identity as everybody reaches it: one address, requests to its instances in turn. */
class IdentityFleet {
  readonly #environment: Readonly<Record<string, string>>;
  /** Which instance is asked for the keys, where the outcome hangs on it; null: in turn as well. */
  keysFrom: number | null = null;
  #instances: readonly StartedService[] = [];
  #turn = 0;
  #front: { readonly server: Server; readonly url: string } | null = null;

  constructor(databaseUrl: string) {
    this.#environment = {
      PORT: '0',
      DATABASE_URL: databaseUrl,
      INTERNAL_KEY: 'i'.repeat(32),
      LOG_LEVEL: 'silent',
      PASSWORD_HASHES_WAITING: '1000',
    };
  }

  get url(): string {
    return this.#front?.url ?? '';
  }

  async start(keyRing: string, count: number): Promise<void> {
    this.#front = await listen((request, response) => {
      this.#turn += 1;
      const turn = request.url === '/.well-known/jwks.json' ? (this.keysFrom ?? this.#turn) : this.#turn;
      const target = this.#instances[turn % this.#instances.length]?.url ?? '';
      const passed = httpRequest(`${target}${request.url}`, { method: request.method, headers: request.headers });
      passed.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      passed.on('error', () => response.writeHead(502).end());
      request.pipe(passed);
    });
    this.#instances = await Promise.all(Array.from({ length: count }, () => this.#startOne(keyRing)));
  }

  /** Replaces one instance; the new one takes requests before the old one stops. */
  async replace(index: number, keyRing: string): Promise<void> {
    const old = this.#instances[index];
    const fresh = await this.#startOne(keyRing);
    this.#instances = this.#instances.with(index, fresh);
    await old?.stop();
  }

  /** A rolling replacement of all of them. */
  async roll(keyRing: string): Promise<void> {
    for (let index = 0; index < this.#instances.length; index += 1) await this.replace(index, keyRing);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#instances.map((instance) => instance.stop()));
    if (this.#front !== null) await stopServer(this.#front.server);
  }

  #startOne(keyRing: string): Promise<StartedService> {
    return startService(identity, { ...this.#environment, KEY_RING: keyRing }, { clock });
  }
}

/** A service of the platform as far as tokens go: what it answers is whether it believes. */
class VerifyingService {
  readonly metrics: Metrics = createMetrics({ service: 'api' });
  readonly #jwksUrl: string;
  #verifier: ReturnType<typeof createVerifier> | null = null;
  #front: { readonly server: Server; readonly url: string } | null = null;

  constructor(identityUrl: string) {
    this.#jwksUrl = `${identityUrl}/.well-known/jwks.json`;
    this.metrics.close();
  }

  get url(): string {
    return this.#front?.url ?? '';
  }

  async start(keyRing: string): Promise<void> {
    this.roll(keyRing);
    this.#front = await listen((request, response) => {
      const token = (request.headers.authorization ?? '').replace('Bearer ', '');
      const answered = this.#verifier?.verify(token).then(
        ({ id }) => response.end(id),
        (error: unknown) =>
          response
            .writeHead(error instanceof TokenRefused ? 401 : 503)
            .end(error instanceof TokenRefused ? error.reason : ''),
      );
      void answered;
    });
  }

  /** A new instance of it, with a ring of its own and nothing in its cache. */
  roll(keyRing: string): void {
    this.#verifier = createVerifier({
      ring: parseKeyRing(keyRing),
      jwksUrl: this.#jwksUrl,
      clock,
      metrics: this.metrics,
    });
  }

  /** How many tokens signed with HS256 it has believed: what the next step of the migration waits for. */
  async accepted(alg: 'HS256' | 'RS256'): Promise<number> {
    const { body } = await this.metrics.text();
    const line = body
      .split('\n')
      .find((one) => one.startsWith(`jwt_verifications_total{alg="${alg}",kid_known="true",outcome="accepted"}`));
    return Number(line?.split(' ').at(-1) ?? 0);
  }

  async stop(): Promise<void> {
    this.#verifier?.close();
    if (this.#front !== null) await stopServer(this.#front.server);
  }
}

interface Scores {
  calls: number;
  refreshes: number;
  logIns: number;
  /** Tokens that were good when they were sent, and not believed. */
  readonly rejected: string[];
  readonly lostSessions: string[];
}

/** Somebody with a session, who never stops using it. */
class Somebody {
  readonly #email: string;
  readonly #identityUrl: string;
  readonly #scores: Scores;
  #id = '';
  #refreshToken = '';
  #accessToken = '';
  #expiresAt = 0;

  constructor(email: string, identityUrl: string, scores: Scores) {
    this.#email = email;
    this.#identityUrl = identityUrl;
    this.#scores = scores;
  }

  async register(): Promise<void> {
    await this.#enter('/auth/v1/register', { email: this.#email, password: PASSWORD, displayName: 'Somebody' }, 201);
  }

  async logIn(): Promise<void> {
    await this.#enter('/auth/v1/login', { email: this.#email, password: PASSWORD }, 200);
    this.#scores.logIns += 1;
  }

  async refresh(): Promise<void> {
    const response = await this.#post('/auth/v1/refresh', { refreshToken: this.#refreshToken });
    if (response.status !== 200) {
      this.#scores.lostSessions.push(`${response.status} ${await response.text()}`);
      return;
    }
    await this.#take(response);
    this.#scores.refreshes += 1;
  }

  /** Calls a service, with a token that is good for another minute at least. */
  async call(serviceUrl: string): Promise<void> {
    if (now > this.#expiresAt - MINUTE) await this.refresh();
    const response = await fetch(serviceUrl, { headers: { authorization: `Bearer ${this.#accessToken}` } });
    const text = await response.text();
    this.#scores.calls += 1;
    if (response.status !== 200 || text !== this.#id) this.#scores.rejected.push(`${response.status} ${text}`);
  }

  async #enter(path: string, body: object, status: number): Promise<void> {
    const response = await this.#post(path, body);
    if (response.status !== status) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    await this.#take(response);
  }

  #post(path: string, body: object): Promise<Response> {
    return fetch(`${this.#identityUrl}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'veza-client': 'native' },
      body: JSON.stringify(body),
    });
  }

  async #take(response: Response): Promise<void> {
    const answer = (await response.json()) as {
      accessToken: string;
      refreshToken: string;
      expiresIn: number;
      person: { id: string };
    };
    this.#id = answer.person.id;
    this.#accessToken = answer.accessToken;
    this.#refreshToken = answer.refreshToken;
    this.#expiresAt = now + answer.expiresIn * 1_000;
  }
}

/** Everything together, and the load on it. */
class World {
  readonly scores: Scores = { calls: 0, refreshes: 0, logIns: 0, rejected: [], lostSessions: [] };
  readonly fleet: IdentityFleet;
  services: readonly VerifyingService[] = [];
  #people: readonly Somebody[] = [];

  constructor(databaseUrl: string) {
    this.fleet = new IdentityFleet(databaseUrl);
  }

  async start(identityRing: string, serviceRing: string): Promise<void> {
    await this.fleet.start(identityRing, 2);
    this.services = ['api', 'chat', 'stream'].map(() => new VerifyingService(this.fleet.url));
    for (const service of this.services) await service.start(serviceRing);
    const tag = randomBytes(6).toString('hex');
    this.#people = Array.from(
      { length: SESSIONS },
      (_, index) => new Somebody(`${tag}-${index}@example.org`, this.fleet.url, this.scores),
    );
    for (const person of this.#people) await person.register();
  }

  /** Does something while everybody goes on calling and refreshing, and somebody logs in anew now and then. */
  async under<T>(change: () => Promise<T> | T): Promise<T> {
    let going = true;
    const load = this.#people.map(async (person, index) => {
      // Two rounds more when it is done: what it has changed must be seen.
      for (let round = 0, after = 0; after < 2; round += 1) {
        if (!going) after += 1;
        for (const service of this.services) await person.call(service.url);
        if ((round + index) % 4 === 0) await person.refresh();
        if (index === 0 && round % 5 === 1) await person.logIn();
      }
    });
    try {
      return await change();
    } finally {
      going = false;
      await Promise.all(load);
    }
  }

  /** Lets time pass, in steps short enough that a token lives through some of them, with load in each. Sends nothing while it jumps. */
  async pass(ms: number, stepMs = 2 * MINUTE): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      now += Math.min(left, stepMs);
      for (const service of this.services) await Promise.all(this.#people.map((person) => person.call(service.url)));
    }
  }

  /** All services take a new ring, one after the other. */
  rollServices(serviceRing: string): void {
    for (const service of this.services) service.roll(serviceRing);
  }

  async accepted(alg: 'HS256' | 'RS256'): Promise<number> {
    const counts = await Promise.all(this.services.map((service) => service.accepted(alg)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** The gate of the guide's third phase: no token of that algorithm was believed while the longest of them could have lived. */
  async expectUnused(alg: 'HS256' | 'RS256'): Promise<void> {
    await this.pass(LONGEST_TOKEN);
    const before = await this.accepted(alg);
    await this.pass(LONGEST_TOKEN);
    expect(await this.accepted(alg)).toBe(before);
  }

  async stop(): Promise<void> {
    await Promise.all(this.services.map((service) => service.stop()));
    await this.fleet.stop();
  }
}

let fresh: FreshDatabase;
beforeAll(async () => void (fresh = await freshDatabase(['identity'])));
afterAll(async () => await fresh.drop());

async function inWorld(
  identityRing: string,
  serviceRing: string,
  walk: (world: World) => Promise<void>,
): Promise<Scores> {
  const world = new World(fresh.url);
  try {
    await world.start(identityRing, serviceRing);
    await walk(world);
    return world.scores;
  } finally {
    await world.stop();
  }
}

function expectNobodyNoticed(scores: Scores): void {
  expect(scores.rejected).toEqual([]);
  expect(scores.lostSessions).toEqual([]);
  expect(scores.calls).toBeGreaterThan(SESSIONS * 50);
  expect(scores.refreshes).toBeGreaterThan(SESSIONS * 5);
  expect(scores.logIns).toBeGreaterThan(0);
}

describe('from HS256 to RS256', { timeout: 180_000 }, () => {
  const hs = hmacKey('hs-1');
  const rs = rsaKey('rs-1');
  /** The steps of docs/tokens.md. A verifier's ring never has the RSA key. */
  const phases = {
    start: { identity: ring([hs, 'signing']), service: ring([hs, 'verifying']) },
    published: { identity: ring([hs, 'signing'], [rs, 'next']), service: ring([hs, 'verifying']) },
    switched: { identity: ring([hs, 'verifying'], [rs, 'signing']), service: ring([hs, 'verifying']) },
    done: { identity: ring([hs, 'retired'], [rs, 'signing']), service: ring([hs, 'retired']) },
  };

  async function publish(world: World): Promise<void> {
    await world.under(() => world.fleet.roll(phases.published.identity));
    // Longer than every verifier keeps a set without asking: all know both keys then.
    await world.pass(JWKS_MAX_AGE_MS + MINUTE);
  }
  const turnOver = (world: World): Promise<void> => world.under(() => world.fleet.roll(phases.switched.identity));
  async function retire(world: World): Promise<void> {
    await world.expectUnused('HS256');
    await world.under(() => {
      world.rollServices(phases.done.service);
      return world.fleet.roll(phases.done.identity);
    });
  }
  const signAgainWithHmac = (world: World): Promise<void> =>
    world.under(() => world.fleet.roll(ring([hs, 'signing'], [rs, 'verifying'])));
  async function backFromSwitched(world: World): Promise<void> {
    await signAgainWithHmac(world);
    await world.expectUnused('RS256');
    await world.under(() => world.fleet.roll(ring([hs, 'signing'], [rs, 'retired'])));
  }

  it('all four phases with no valid token refused and no session lost, over a week', async () => {
    const scores = await inWorld(phases.start.identity, phases.start.service, async (world) => {
      await world.under(() => world.pass(0));
      expect(await world.accepted('RS256')).toBe(0);
      await publish(world);
      await turnOver(world);
      const before = await world.accepted('RS256');
      await world.pass(20 * MINUTE);
      expect(await world.accepted('RS256')).toBeGreaterThan(before);
      // The week that the guide waits for: sessions live on, a refresh a day.
      await world.pass(7 * DAY, DAY);
      await retire(world);
      await world.pass(20 * MINUTE);
    });

    expectNobodyNoticed(scores);
  });

  it('back from phase 1 and 2: published and known, not yet signing', async () => {
    const scores = await inWorld(phases.start.identity, phases.start.service, async (world) => {
      await world.under(() => world.fleet.roll(phases.published.identity));
      await world.under(() => world.fleet.roll(phases.start.identity));
      await publish(world);
      await world.under(() => world.fleet.roll(phases.start.identity));
      await world.pass(LONGEST_TOKEN);
      expect(await world.accepted('RS256')).toBe(0);
    });

    expectNobodyNoticed(scores);
  });

  it('back from phase 3, also in the middle of the turn-over, and forth again with another key', async () => {
    const scores = await inWorld(phases.start.identity, phases.start.service, async (world) => {
      await publish(world);
      // Half of the instances sign with the one, half with the other.
      await world.under(() => world.fleet.replace(0, phases.switched.identity));
      await world.under(() => world.fleet.replace(0, phases.published.identity));
      await turnOver(world);
      await world.pass(20 * MINUTE);
      await backFromSwitched(world);

      const again = rsaKey('rs-2');
      await world.under(() => world.fleet.roll(ring([hs, 'signing'], [rs, 'retired'], [again, 'next'])));
      await world.pass(JWKS_MAX_AGE_MS + MINUTE);
      await world.under(() => world.fleet.roll(ring([hs, 'verifying'], [rs, 'retired'], [again, 'signing'])));
      await world.pass(20 * MINUTE);
    });

    expectNobodyNoticed(scores);
  });

  it('back from phase 4: the secret is gone, so a new one goes to the verifiers first', async () => {
    const scores = await inWorld(phases.start.identity, phases.start.service, async (world) => {
      await publish(world);
      await turnOver(world);
      await retire(world);

      const anew = hmacKey('hs-2');
      await world.under(() => world.rollServices(ring([hs, 'retired'], [anew, 'next'])));
      await world.under(() => world.fleet.roll(ring([hs, 'retired'], [rs, 'signing'], [anew, 'next'])));
      await world.under(() => world.fleet.roll(ring([hs, 'retired'], [rs, 'verifying'], [anew, 'signing'])));
      await world.expectUnused('RS256');
      await world.under(() => world.fleet.roll(ring([hs, 'retired'], [rs, 'retired'], [anew, 'signing'])));
      await world.pass(20 * MINUTE);
    });

    expectNobodyNoticed(scores);
  });
});

describe('in the wrong order tokens are refused, and the load sees it', { timeout: 180_000 }, () => {
  it('the signer first: instances sign with a key that others do not publish yet', async () => {
    const hs = hmacKey('hs-1');
    const rs = rsaKey('rs-1');
    const scores = await inWorld(ring([hs, 'signing']), ring([hs, 'verifying']), async (world) => {
      world.fleet.keysFrom = 1;
      await world.under(() => world.fleet.replace(0, ring([hs, 'verifying'], [rs, 'signing'])));
    });

    expect(scores.rejected).toContain('401 unknown-key');
  });

  it('back to a new secret that the verifiers do not have', async () => {
    const rs = rsaKey('rs-1');
    const scores = await inWorld(ring([rs, 'signing']), ring(), async (world) => {
      await world.under(() => world.fleet.roll(ring([rs, 'verifying'], [hmacKey('hs-2'), 'signing'])));
    });

    expect(scores.rejected).toContain('401 unknown-key');
  });

  it('the old key retired while its tokens are still alive', async () => {
    const hs = hmacKey('hs-1');
    const scores = await inWorld(ring([hs, 'signing']), ring([hs, 'verifying']), async (world) => {
      await world.under(() => world.rollServices(ring([hs, 'retired'])));
    });

    expect(scores.rejected).toContain('401 unknown-key');
  });

  it('the secret replaced in place, as the script of guide 13.1 does it', async () => {
    const [old, anew] = [hmacKey('hs-1'), hmacKey('hs-1')];
    const scores = await inWorld(ring([old, 'signing']), ring([old, 'verifying']), async (world) => {
      await world.under(async () => {
        await world.fleet.roll(ring([anew, 'signing']));
        world.rollServices(ring([anew, 'verifying']));
      });
    });

    expect(scores.rejected).toContain('401 signature');
  });
});
