import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import pg from 'pg';
import { type StartedService, startService } from '../kit/service.ts';
import { freshDatabase, type FreshDatabase } from '../rig/fresh-database.ts';
import { rsaPair } from '../tokens/forge.ts';
import { parseKeyRing } from '../tokens/key-ring.ts';
import { createVerifier } from '../tokens/verifier.ts';
import { Passwords } from './passwords.ts';
import { identity } from './service.ts';
import { WorkQueue } from './work-queue.ts';

const INTERNAL_KEY = 'internal-'.repeat(5);
const PASSWORD = 'correct horse battery';
const pair = rsaPair();
const KEY_RING = JSON.stringify({
  keys: [
    { kid: 'rs-1', alg: 'RS256', state: 'signing', privateKey: pair.privateJwk },
    { kid: 'hs-1', alg: 'HS256', state: 'verifying', secret: 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA' },
  ],
});

let fresh: FreshDatabase;
let service: StartedService;
let logged = '';
const environment = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  PORT: '0',
  METRICS_PORT: 'any',
  DATABASE_URL: fresh.url,
  KEY_RING,
  INTERNAL_KEY,
  ...more,
});

beforeAll(async () => {
  fresh = await freshDatabase(['identity']);
  service = await startService(identity, environment(), { logTo: { write: (line) => void (logged += line) } });
});

afterAll(async () => {
  await service.stop();
  await fresh.drop();
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

async function send(
  method: string,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(`${service.url}${path}`, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true && !text.trim().includes('\n');
  return {
    status: response.status,
    headers: response.headers,
    body: isJson && text !== '' ? JSON.parse(text) : { text },
  };
}
const post = (path: string, body?: object, headers?: Readonly<Record<string, string>>): Promise<Answer> =>
  send('POST', path, body, headers);
const NATIVE = { 'veza-client': 'native' };
const INTERNAL = { authorization: `Bearer ${INTERNAL_KEY}` };
const bearer = (answer: Answer): Record<string, string> => ({
  authorization: `Bearer ${String(answer.body['accessToken'])}`,
});
const cookieOf = (answer: Answer): string => (answer.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? '';

let people = 0;
const newEmail = (): string => `person-${(people += 1)}@example.org`;
async function register(
  headers: Readonly<Record<string, string>> = {},
  email = newEmail(),
): Promise<Answer & { readonly email: string }> {
  const answer = await post(
    '/auth/v1/register',
    { email, password: PASSWORD, displayName: 'Ada Lovelace', language: 'fr' },
    headers,
  );
  expect(answer.status).toBe(201);
  return { ...answer, email };
}

describe('a browser', () => {
  it('registers, and gets an access token and one cookie that no script and no other site can use', async () => {
    const { body, headers } = await register();

    expect(body).toEqual({ accessToken: expect.any(String), expiresIn: 900, person: { id: expect.any(String) } });
    expect(headers.getSetCookie()).toHaveLength(1);
    const [value, ...attributes] = (headers.getSetCookie()[0] ?? '').split('; ');
    expect(value).toMatch(/^__Host-veza-refresh=[\w-]{43}$/);
    expect(attributes.toSorted()).toEqual(['HttpOnly', 'Max-Age=604800', 'Path=/', 'SameSite=Strict', 'Secure']);
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('refreshes by the cookie, which changes each time, and logs out', async () => {
    const registered = await register();
    const refreshed = await post('/auth/v1/refresh', undefined, { cookie: cookieOf(registered) });
    expect(refreshed.status).toBe(200);
    expect(refreshed.body).not.toHaveProperty('refreshToken');
    expect(cookieOf(refreshed)).not.toBe(cookieOf(registered));

    const out = await post('/auth/v1/logout', undefined, { cookie: cookieOf(refreshed) });
    expect(out.status).toBe(204);
    expect(out.headers.get('set-cookie')).toMatch(/^__Host-veza-refresh=;.*Expires=Thu, 01 Jan 1970/);
    expect(await post('/auth/v1/refresh', undefined, { cookie: cookieOf(refreshed) })).toMatchObject({
      status: 401,
      body: { code: 'session-ended' },
    });
    expect((await send('GET', '/auth/v1/me', undefined, bearer(refreshed))).status).toBe(401);
  });

  it('cannot have its refresh token shown to a script that asks as a native client', async () => {
    const answer = await post('/auth/v1/refresh', undefined, { cookie: cookieOf(await register()), ...NATIVE });

    expect(answer).toMatchObject({ status: 401, body: { code: 'no-session' } });
  });

  it.for(['register', 'login', 'refresh', 'logout'])('is not sent by the page of another site to %s', async (path) => {
    for (const site of ['cross-site', 'same-site'])
      expect(await post(`/auth/v1/${path}`, {}, { 'sec-fetch-site': site })).toMatchObject({
        status: 403,
        body: { code: 'cross-site' },
      });
  });
});

describe('a native client', () => {
  it('gets the refresh token in the body and no cookie', async () => {
    const registered = await register(NATIVE);
    const refreshed = await post('/auth/v1/refresh', { refreshToken: registered.body['refreshToken'] }, NATIVE);

    expect(registered.headers.getSetCookie()).toEqual([]);
    expect(refreshed).toMatchObject({ status: 200, body: { refreshToken: expect.any(String) } });
    expect(refreshed.headers.getSetCookie()).toEqual([]);
    expect((await post('/auth/v1/logout', { refreshToken: refreshed.body['refreshToken'] }, NATIVE)).status).toBe(204);
    expect((await post('/auth/v1/refresh', { refreshToken: refreshed.body['refreshToken'] }, NATIVE)).status).toBe(401);
  });

  it('is told who it is', async () => {
    const registered = await register(NATIVE);

    expect(await send('GET', '/auth/v1/me', undefined, bearer(registered))).toMatchObject({
      status: 200,
      body: { email: registered.email, displayName: 'Ada Lovelace', language: 'fr' },
    });
    expect((await send('GET', '/auth/v1/me')).status).toBe(401);
  });
});

describe('an account', () => {
  it('is one for an address, however it is written', async () => {
    const { email } = await register();
    const again = await post('/auth/v1/register', {
      email: ` ${email.toUpperCase()} `,
      password: PASSWORD,
      displayName: 'Eve',
    });

    expect(again).toMatchObject({ status: 409, body: { code: 'email-taken' } });
    expect((await post('/auth/v1/login', { email: email.toUpperCase(), password: PASSWORD })).status).toBe(200);
  });

  it('is made once when two register it at the same moment', async () => {
    const email = newEmail();
    const body = { email, password: PASSWORD, displayName: 'Ada' };
    const answers = await Promise.all([1, 2, 3, 4].map(() => post('/auth/v1/register', body)));

    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 409, 409, 409]);
  });

  it.for([
    ['an address that is none', { email: 'nobody' }],
    ['an address of 300 characters', { email: `${'a'.repeat(290)}@example.org` }],
    ['a password of 7 characters', { password: 'sevench' }],
    ['a password of 257 characters', { password: 'x'.repeat(257) }],
    ['the address as the password', { password: 'EVE@example.org', email: 'eve@example.org' }],
    ['no name', { displayName: '  ' }],
    ['a name that turns the line around', { displayName: 'Ada\u202eevol' }],
    ['a language that is none', { language: '<script>' }],
    ['a member that there is not', { admin: true }],
    ['a password that is a number', { password: 12_345_678 }],
    ['a zero byte in the name', { displayName: 'A\u0000B' }],
  ] as const)('is not made with %s', async ([, wrong]) => {
    const answer = await post('/auth/v1/register', {
      email: 'eve@example.org',
      password: PASSWORD,
      displayName: 'Eve',
      ...wrong,
    });

    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  });

  it('cannot be told from one that is not there by what a failed log-in says', async () => {
    const { email } = await register();
    const wrong = await post('/auth/v1/login', { email, password: 'wrong password' });
    const unknown = await post('/auth/v1/login', { email: newEmail(), password: 'wrong password' });

    expect(wrong).toMatchObject({ status: 401, body: { code: 'wrong-credentials' } });
    expect(unknown.body).toEqual(wrong.body);
    expect(unknown.headers.getSetCookie()).toEqual([]);
  });

  it('can be guessed at five times, also with the address of another in front, and its owner waits as long from there', async () => {
    const { email } = await register();
    const statuses: number[] = [];
    for (let i = 0; i < 7; i += 1) {
      // What a client writes there itself stands before what the router adds.
      const headers = { 'x-forwarded-for': `203.0.113.${i}, 198.51.100.77` };
      statuses.push((await post('/auth/v1/login', { email, password: `guess number ${i}` }, headers)).status);
    }
    const limited = await post('/auth/v1/login', { email, password: PASSWORD }, { 'x-forwarded-for': '198.51.100.77' });

    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429]);
    expect(limited).toMatchObject({ status: 429, body: { code: 'too-many-attempts' } });
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(20);
    expect(
      (await post('/auth/v1/login', { email, password: PASSWORD }, { 'x-forwarded-for': '198.51.100.78' })).status,
    ).toBe(200);
  });

  it('gets its hash made anew at log-in when the parameters have changed', async () => {
    const { email } = await register();
    const queue = new WorkQueue({ atOnce: 1, waiting: 1 });
    const old = await new Passwords(queue, { memoryKiB: 64, passes: 1, parallelism: 1 }).hash(PASSWORD);
    const client = new pg.Client({ connectionString: fresh.url });
    await client.connect();
    await client.query('update identity.people set password_hash = $1 where email = $2', [old, email]);

    expect((await post('/auth/v1/login', { email, password: PASSWORD })).status).toBe(200);
    const { rows } = await client.query<{ password_hash: string }>(
      'select password_hash from identity.people where email = $1',
      [email],
    );
    await client.end();
    expect(rows[0]?.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect((await post('/auth/v1/login', { email, password: PASSWORD })).status).toBe(200);
  });
});

describe('the keys', () => {
  it('are published by their public half, and verify what is signed', async () => {
    const { status, body, headers } = await send('GET', '/.well-known/jwks.json');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('application/jwk-set+json');
    expect(body).toEqual({
      keys: [{ kty: 'RSA', alg: 'RS256', use: 'sig', kid: 'rs-1', n: pair.publicJwk.n, e: 'AQAB' }],
    });

    const verifier = createVerifier({
      ring: parseKeyRing(undefined),
      jwksUrl: `${service.url}/.well-known/jwks.json`,
      clock: Date.now,
    });
    const registered = await register();
    const person = await verifier.verify(String(registered.body['accessToken']));
    expect(person.id).toBe((registered.body['person'] as { id: string }).id);
  });
});

describe('other services', () => {
  it('alone reach what is internal', async () => {
    const { body } = await register();
    const path = `/internal/v1/people/${(body['person'] as { id: string }).id}`;

    for (const headers of [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: `Bearer ${String(body['accessToken'])}` },
    ])
      for (const [method, to] of [
        ['GET', path],
        ['DELETE', path],
        ['POST', `${path}/disable`],
      ] as const)
        expect((await send(method, to, undefined, headers)).status, `${method} ${to}`).toBe(401);
  });

  it('export everything of a person but secrets, and nothing of anybody else', async () => {
    const registered = await register(NATIVE);
    const other = await register(NATIVE);
    const id = (registered.body['person'] as { id: string }).id;
    const { body, headers } = await send('GET', `/internal/v1/people/${id}`, undefined, INTERNAL);
    const text = String(body['text']);
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { table?: string; row?: Record<string, unknown> });

    expect(headers.get('content-type')).toContain('application/x-ndjson');
    expect(lines.map(({ table = 'end' }) => table)).toEqual(['refresh_tokens', 'sessions', 'people', 'end']);
    expect(lines.at(-1)).toEqual({ end: true, lines: 3 });
    expect(lines.find(({ table }) => table === 'people')?.row).toMatchObject({
      id,
      email: registered.email,
      display_name: 'Ada Lovelace',
    });
    expect(text).not.toContain('argon2');
    expect(text).not.toContain('hash');
    expect(text).not.toContain(other.email);
    expect(text).not.toContain(String(registered.body['refreshToken']));
  });

  it('ask for the password again, with a limit of guesses', async () => {
    const { body } = await register();
    const path = `/internal/v1/people/${(body['person'] as { id: string }).id}/password`;

    expect((await post(path, { password: PASSWORD }, INTERNAL)).body).toEqual({ matches: true });
    for (let i = 0; i < 5; i += 1)
      expect((await post(path, { password: 'wrong' }, INTERNAL)).body).toEqual({ matches: false });
    expect((await post(path, { password: PASSWORD }, INTERNAL)).status).toBe(429);
  });

  it('disable somebody, who neither refreshes nor logs in any more, and erase them, twice if need be', async () => {
    const registered = await register(NATIVE);
    const other = await register(NATIVE);
    const path = `/internal/v1/people/${(registered.body['person'] as { id: string }).id}`;
    const refresh = (of: Answer): Promise<Answer> =>
      post('/auth/v1/refresh', { refreshToken: of.body['refreshToken'] }, NATIVE);

    expect((await post(`${path}/disable`, undefined, INTERNAL)).status).toBe(204);
    expect((await refresh(registered)).status).toBe(401);
    expect((await post('/auth/v1/login', { email: registered.email, password: PASSWORD })).status).toBe(401);
    expect((await post(`${path}/password`, { password: PASSWORD }, INTERNAL)).body).toEqual({ matches: false });

    expect(await send('DELETE', path, undefined, INTERNAL)).toMatchObject({
      status: 200,
      body: { erased: { people: 1 } },
    });
    expect(await send('DELETE', path, undefined, INTERNAL)).toMatchObject({
      status: 200,
      body: { erased: { people: 0 } },
    });
    expect((await send('GET', path, undefined, INTERNAL)).body).toEqual({ end: true, lines: 0 });
    expect((await send('GET', '/auth/v1/me', undefined, bearer(registered))).status).toBe(401);
    expect((await refresh(other)).status).toBe(200);
    await register({}, registered.email);
  });
});

describe('an instance', () => {
  it('turns log-ins away at once when too many wait, and counts them in its metrics', async () => {
    const small = await startService(
      identity,
      environment({ PASSWORD_HASHES_AT_ONCE: '1', PASSWORD_HASHES_WAITING: '2', LOG_LEVEL: 'silent' }),
    );
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        fetch(`${small.url}/auth/v1/login`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-forwarded-for': `192.0.2.${index}` },
          body: JSON.stringify({ email: `flood-${index}@example.org`, password: PASSWORD }),
        }),
      ),
    );
    const metrics = await (await fetch(small.metricsUrl ?? '')).text();
    await small.stop();

    const shed = answers.filter(({ status }) => status === 503);
    expect(shed.length).toBeGreaterThan(0);
    expect(shed.every(({ headers }) => headers.get('retry-after') === '2')).toBe(true);
    expect(answers.filter(({ status }) => status === 401).length).toBe(20 - shed.length);
    expect(metrics).toContain(`identity_log_ins_total{outcome="shed"} ${shed.length}`);
    expect(metrics).toContain('queue_jobs{queue="password-hashing",state="running"} 0');
  });

  it('does not start with a ring that signs nothing, and does not say what is in it', async () => {
    const secret = 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA';
    const ring = JSON.stringify({ keys: [{ kid: 'hs-1', alg: 'HS256', state: 'verifying', secret }] });
    const failure: unknown = await startService(identity, environment({ KEY_RING: ring })).catch(
      (error: unknown) => error,
    );

    expect(String(failure)).toContain('KEY_RING');
    expect(String(failure)).toContain('no key is in state signing');
    expect(String(failure)).not.toContain(secret);
  });

  it('logged nothing of anybody, whatever the tests before have sent', () => {
    expect(logged).not.toBe('');
    expect(logged).not.toMatch(/example\.org|Lovelace|198\.51\.100|correct horse|eyJ/);
  });
});

it('the tables are as Kysely sees them', async () => {
  const client = new pg.Client({ connectionString: fresh.url });
  await client.connect();
  const { rows } = await client.query<{ name: string; type: string; optional: boolean }>(
    `select table_name || '.' || column_name as name, data_type as type, is_nullable = 'YES' as optional
     from information_schema.columns where table_schema = 'identity' order by table_name, ordinal_position`,
  );
  await client.end();

  expect(rows.map(({ name, type, optional }) => `${name}: ${type}${optional ? ' | null' : ''}`)).toEqual([
    'login_attempts.key: bytea',
    'login_attempts.empty_at: timestamp with time zone',
    'people.id: uuid',
    'people.email: text',
    'people.password_hash: text',
    'people.display_name: text',
    'people.language: text',
    'people.created_at: timestamp with time zone',
    'people.disabled_at: timestamp with time zone | null',
    'refresh_tokens.hash: bytea',
    'refresh_tokens.session_id: uuid',
    'refresh_tokens.predecessor: bytea | null',
    'refresh_tokens.expires_at: timestamp with time zone',
    'refresh_tokens.used_at: timestamp with time zone | null',
    'refresh_tokens.successor_salt: bytea | null',
    'sessions.id: uuid',
    'sessions.person_id: uuid',
    'sessions.created_at: timestamp with time zone',
    'sessions.expires_at: timestamp with time zone',
    'sessions.ended_at: timestamp with time zone | null',
    'sessions.ended_because: text | null',
  ]);
});
