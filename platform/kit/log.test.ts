import { describe, expect, test } from 'vitest';
import { createLog, pseudonym, type LogFields } from './log.ts';
import { startService } from './service.ts';
import { z } from 'zod';
import { authenticate } from './authentication.ts';

// Canaries: whatever way they are driven through the log, none may come out.
const EMAIL = 'ada.lovelace@example.com';
const IPV4 = '203.0.113.77';
const IPV6 = '2001:db8:85a3::8a2e:370:7334';
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0';
const PERSON = '7b0c3c1e-5f0e-4b0a-9d67-0a4b7f6a1c55';
const BARE_PERSON = PERSON.replaceAll('-', '');
const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3YjBjM2MxZSJ9.c2lnbmF0dXJlLW9mLWEtdG9rZW4';
const CANARIES = [EMAIL, IPV4, IPV6, AGENT, PERSON, BARE_PERSON, TOKEN];
const PARTS = ['lovelace', '203.0.113', '2001:db8', 'Mozilla', '7b0c3c1e', 'c2lnbmF0'];

function lines(): { readonly to: { write(line: string): void }; text(): string; all(): Record<string, unknown>[] } {
  const written: string[] = [];
  return {
    to: { write: (line) => void written.push(line) },
    text: () => written.join(''),
    all: () => written.map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

function expectNone(text: string): void {
  expect([...CANARIES, ...PARTS].filter((part) => text.includes(part))).toEqual([]);
}

const fieldNames = (
  'method route status durationMs code reason outcome state kind operation dependency role alg attempt count bytes lagMs port ' +
  'names person error err email ip userAgent req request headers user personId url __proto__ message level'
).split(' ');

describe('the log', () => {
  test('prints what is allow-listed, as JSON', () => {
    const out = lines();
    createLog({
      level: 'info',
      base: { service: 'api', release: 'sha256:12', deployment: undefined },
      to: out.to,
    }).info({ method: 'GET', route: '/api/v1/people/:id', status: 200, durationMs: 1.26, count: 3 }, 'answered');
    expect(out.all()).toMatchObject([
      {
        level: 'info',
        service: 'api',
        release: 'sha256:12',
        method: 'GET',
        route: '/api/v1/people/:id',
        status: 200,
        durationMs: 1.3,
        count: 3,
        message: 'answered',
      },
    ]);
    expect(out.text()).not.toContain('deployment');
  });

  test.each(fieldNames)('prints no personal value in the field %s', (name) => {
    const out = lines();
    const log = createLog({ level: 'debug', base: {}, to: out.to });
    for (const canary of CANARIES) {
      const shapes: unknown[] = [
        canary,
        [canary],
        { [name]: canary },
        { nested: { deeper: canary } },
        new Error(canary),
        `x${canary}`,
        `prefix:${canary}`,
      ];
      for (const value of shapes) {
        const fields = { [name]: value } as LogFields;
        for (const level of ['debug', 'info', 'warn', 'error', 'fatal'] as const) log[level](fields, 'a line');
      }
    }
    expectNone(out.text());
  });

  test('prints fields that are not on the list not at all', () => {
    const out = lines();
    createLog({ level: 'info', base: {}, to: out.to }).info({ colour: 'blue', method: 'GET' } as LogFields, 'a line');
    expect(out.all().map((line) => Object.keys(line).toSorted())).toEqual([['level', 'message', 'method', 'time']]);
  });

  test('names a person by the same pseudonym in one process, and by no other’s', () => {
    const out = lines();
    const log = createLog({ level: 'info', base: {}, to: out.to });
    log.info({ person: PERSON }, 'one');
    log.info({ person: PERSON }, 'two');
    const [one, two] = out.all();
    expect(one?.['person']).toMatch(/^[\da-f]{12}$/);
    expect(two?.['person']).toBe(one?.['person']);
    expect(pseudonym('00000000-0000-4000-8000-000000000000')).not.toBe(one?.['person']);
    expectNone(out.text());
  });

  test('says of an error its class, its code and where it was thrown, and never its message', () => {
    const out = lines();
    const error = Object.assign(new TypeError(`no such person: ${EMAIL}\n    at ${EMAIL} (/home/${EMAIL}/x.js:1:1)`), {
      code: 'E_NOBODY',
      detail: EMAIL,
      cause: new RangeError(PERSON),
    });
    createLog({ level: 'info', base: {}, to: out.to }).error({ error }, 'it failed');
    const [line] = out.all() as { error: { type: string; code: string; at: string[]; cause: { type: string } } }[];
    expect(line?.error).toMatchObject({ type: 'TypeError', code: 'E_NOBODY', cause: { type: 'RangeError' } });
    expect(line?.error.at[0]).toContain('log.test.ts');
    expectNone(out.text());
  });

  test('withholds a text that was put together past its type', () => {
    const out = lines();
    const log = createLog({ level: 'info', base: {}, to: out.to });
    for (const canary of CANARIES) log.info(`hello ${canary}` as 'hello');
    expect(out.all().map(({ message }) => message)).toEqual(CANARIES.map(() => '(withheld)'));
  });

  test('takes only texts without gaps, as the compiler says', () => {
    const log = createLog({ level: 'silent', base: {} });
    const name = String(Math.abs(-1));
    // @ts-expect-error what varies goes into a field
    log.info(`hello ${name}`);
    // @ts-expect-error a text that is not known here
    log.info({}, name);
    // @ts-expect-error not an allow-listed field
    log.info({ email: EMAIL }, 'hello');
    expect(log).toBeDefined();
  });
});

describe('a service', () => {
  test('logs nothing of a person, whatever a request carries and however it fails', async () => {
    const out = lines();
    const service = await startService(
      {
        name: 'api',
        settings: z.object({}),
        start({ app }) {
          const verifier = { verify: () => Promise.resolve({ id: PERSON, sessionId: PERSON }) };
          app.get('/api/v1/people/:id', { preHandler: authenticate(verifier) }, (request) => {
            request.log.error({ email: EMAIL, err: new Error(EMAIL) }, EMAIL);
            request.log.info({ req: request }, EMAIL);
            throw new Error(`${EMAIL} ${request.person.id}`);
          });
          app.post('/api/v1/people', { schema: { body: z.object({ email: z.literal('x') }) } }, () => null);
          return Promise.resolve({});
        },
      },
      { PORT: '0', METRICS_PORT: 'any', LOG_LEVEL: 'debug' },
      { logTo: out.to },
    );
    const headers = {
      authorization: `Bearer ${TOKEN}`,
      'user-agent': AGENT,
      cookie: `session=${TOKEN}`,
      forwarded: `for=${IPV4}`,
      'x-forwarded-for': `${IPV4}, ${IPV6}`,
      'x-real-ip': IPV4,
      'x-request-id': PERSON,
      referer: `https://veza.app/people/${PERSON}?email=${EMAIL}`,
      from: EMAIL,
    };
    const answers = await Promise.all([
      fetch(`${service.url}/api/v1/people/${PERSON}?email=${EMAIL}`, { headers }),
      fetch(`${service.url}/nothing/${EMAIL}/${PERSON}`, { headers }),
      fetch(`${service.url}/api/v1/people`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ email: EMAIL }),
      }),
      fetch(`${service.url}/api/v1/people`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: `{"email": "${EMAIL}`,
      }),
      fetch(`${service.url}/%zz${EMAIL}`, { headers }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([500, 404, 400, 400, 400]);
    const shown = await (await fetch(service.metricsUrl ?? '')).text();
    await service.stop();
    expect(out.all().length).toBeGreaterThan(6);
    expectNone(out.text());
    expectNone(shown);
    expect(shown).toContain('route="/api/v1/people/:id",status="500"');
  });
});
