import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chance } from './analysis/testing/route-traffic.ts';
import { redact as redactWith } from './redact.ts';

const redact = (text: string, secrets: readonly string[] = [], keep: readonly string[] = []): string =>
  redactWith(text, { secrets, keep: new Set(keep) });

describe('a line of a log', () => {
  it.each([
    ['mail to ana.novak+shop@example.co.at failed', 'mail to [e-mail] failed'],
    ['GET /x?user=ana@example.com&y=1', 'GET /x?user=[e-mail]&y=1'],
    ['Authorization: Bearer abc.DEF-123', 'Authorization: [secret]'],
    ['sent Bearer abcdef123456 to api', 'sent Bearer [token] to api'],
    ['token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-n_a', 'token [token]'],
    ['sha 0123456789abcdef0123456789abcdef01234567 gone', 'sha [hex] gone'],
    ['key q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA= refused', 'key [token] refused'],
    ['from 203.0.113.77:4711', 'from 203.0.x.x:4711'],
    ['from 2001:db8:85a3::8a2e:370:7334 port 1', 'from 2001:db8:x port 1'],
    ['from ::ffff:203.0.113.7', 'from ::x'],
    ['card 4111 1111 1111 1111 declined', 'card [card] declined'],
    ['card 5500-0055-5555-5559.', 'card [card].'],
    ['login password=hunter2 user=ana', 'login password=[secret] user=ana'],
    ['{"password":"a b \'c","user":"ana"}', '{"password":"[secret]","user":"ana"}'],
    ["db_password: 'a b' and more", "db_password: '[secret]' and more"],
    ['GET /cb?access_token=abc&x=1', 'GET /cb?access_token=[secret]&x=1'],
    ['X-Api-Key: 12345', 'X-Api-Key: [secret]'],
    ['cookie: sid=1; theme=dark', 'cookie: [secret]'],
    ['connect postgres://app:pa55@db.internal/shop', 'connect postgres://[secret]@db.internal/shop'],
    ['using sk_live_51HabcDEF0123456789', 'using [token]'],
    ['user 3f2b8c1e-1111-4222-8333-123456789abc left', 'user [uuid] left'],
    ['\u001b[31mred\u001b[0m \u001b]0;title\u0007x\u202Ey\u0000', 'red xy'],
  ])('%s', (line, expected) => expect(redact(line)).toBe(expected));

  it.each([
    'TypeError: Cannot read properties of undefined (reading "total")',
    '    at Object.handle (/srv/app/node_modules/fastify24/lib/V2/server.ts:120:17)',
    'connect ECONNREFUSED 127.0.0.1:5432',
    '2026-05-04 12:00:09.123 GET /orders/:id 500 in 12.4 ms',
    'listening on [::1]:3000 and 0.0.0.0:80',
    'started at 1700000000000, took 1234567890123 ns',
    'the password is wrong',
    'hono@4.13.19 and @hono/node-server@2.1.8 are loaded',
    'a basic functionality of version 1.2.3',
    'expected_number_of_connections_per_instance_exceeded',
  ])('is left as it is where it tells nothing: %s', (line) => expect(redact(line)).toBe(line));

  it('keeps the trace or request that it is shown for', () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const request = '3f2b8c1e-1111-4222-8333-123456789abc';
    expect(redact(`trace=${trace} request ${request}`, [], [trace, request])).toBe(`trace=${trace} request ${request}`);
    expect(redact(`trace=${trace}`)).toBe('trace=[hex]');
  });
});

describe('whatever is around it', () => {
  const around = fc.tuple(fc.string({ maxLength: 40 }), fc.string({ maxLength: 40 }));
  const words = fc.stringMatching(/^[a-z ]{0,20}$/);

  it('a known secret is not in what comes out, also as it is in a URL or in JSON', () => {
    // Long and odd enough not to be a part of what redaction itself writes.
    const secret = fc
      .string({ minLength: 8, maxLength: 40, unit: 'grapheme-ascii' })
      .filter((text) => !/^[a-z[\]-]*$/.test(text) && text.trim().length >= 8);
    fc.assert(
      fc.property(secret, around, (value, [before, after]) => {
        for (const form of [value, encodeURIComponent(value), JSON.stringify(value)])
          expect(redact(`${before}${form}${after}`, [value])).not.toContain(form);
      }),
    );
  });

  it('an e-mail address does not stay', () => {
    fc.assert(
      fc.property(fc.emailAddress(), words, words, (mail, before, after) => {
        expect(redact(`${before} ${mail} ${after}`)).not.toContain(mail);
      }),
    );
  });

  it('the last two parts of an IPv4 address do not stay', () => {
    fc.assert(
      fc.property(
        fc.ipV4().filter((ip) => !ip.startsWith('127.') && ip !== '0.0.0.0'),
        words,
        (address, before) => {
          expect(redact(`${before} ${address}:80`)).not.toContain(address);
        },
      ),
    );
  });

  it('an IPv6 address does not stay', () => {
    fc.assert(
      fc.property(
        fc.ipV6().filter((ip) => ip !== '::' && ip !== '::1'),
        words,
        (address, before) => {
          expect(redact(`${before} [${address}]:80 `)).not.toContain(`[${address}]`);
        },
      ),
    );
  });

  it('a UUID, long hexadecimal and a JWT do not stay', () => {
    const jwt = fc
      .tuple(fc.base64String({ minLength: 8 }), fc.base64String({ minLength: 8 }))
      .map(([a, b]) => `eyJhbGciOi.${a.replace(/\W/g, '_')}.${b.replace(/\W/g, '_')}`);
    const hex = fc.stringMatching(/^[0-9a-f]{24,64}$/);
    fc.assert(
      fc.property(fc.oneof(fc.uuid(), hex, jwt), words, (token, before) => {
        expect(redact(`${before} ${token} x`)).not.toContain(token);
      }),
    );
  });

  it('of 20,000 tokens of 24 random bytes in base64 hardly any stays', () => {
    const random = chance(3);
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    let left = 0;
    for (let run = 0; run < 20_000; run += 1) {
      const token = Array.from({ length: 32 }, () => alphabet[Math.floor(random() * 64)]).join('');
      if (redact(`got ${token} back`).includes(token)) left += 1;
    }
    expect(left).toBeLessThan(100);
  });

  it('the value of what is called a password does not stay', () => {
    const name = fc.constantFrom('password', 'DB_PASSWORD', 'apiKey', 'client_secret', 'x-auth-token', 'Authorization');
    const value = fc
      .stringMatching(/^[A-Za-z0-9!$%*+./:<>?@^_~-]{6,30}$/)
      .filter((text) => !/secret|e-mail|token|card|uuid|hex/i.test(text));
    fc.assert(
      fc.property(name, fc.constantFrom('=', ': ', '="', '":"', ' = '), value, (key, between, secret) => {
        expect(redact(`x ${key}${between}${secret}`)).not.toContain(secret);
      }),
    );
  });

  it('nothing is left that a terminal obeys, and nothing takes long', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300, unit: 'binary' }), (text) => {
        expect(redact(text)).not.toMatch(/[\p{Cc}\u202A-\u202E]/u);
      }),
    );
    const began = performance.now();
    for (const hostile of [
      'a'.repeat(1e6),
      'a@'.repeat(1e5),
      '1.'.repeat(1e5),
      ':'.repeat(1e5),
      '4 '.repeat(1e5),
      'password="'.repeat(1e5),
      'a://'.repeat(1e5),
      '\u001b]'.repeat(1e5),
    ])
      redact(hostile);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
