import { mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AccessLines, type AccessRecord } from './access-line.ts';
import { AccessLog } from './access-log.ts';
import { DayKey } from './day-key.ts';
import { withoutPersonalData } from './personal-data.ts';
import { programFamily } from './user-agent.ts';

const DAY = 86_400_000;
const NOON = Date.UTC(2026, 10, 23, 12);

const record = (changes: Partial<AccessRecord> = {}): AccessRecord => ({
  at: NOON,
  service: 'web',
  arm: 'stable',
  release: 'rel_1',
  method: 'GET',
  path: '/shop',
  routePaths: ['/'],
  status: 200,
  code: null,
  latencyMs: 1.234,
  bytesIn: 0,
  bytesOut: 5,
  protocol: 'HTTP/1.1',
  tls: null,
  requestId: '0b8f2f4e-9a61-4a1e-8f5d-3f2b7c6d5e4a',
  clientAddress: '192.0.2.17',
  userAgent: null,
  ...changes,
});

const chrome =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.127 Safari/537.36';

describe('a line', () => {
  it('says what a release did, and how the client came', () => {
    const line = new AccessLines('truncated', new DayKey(null, NOON)).line(
      record({ path: '/shop/7?q=secret', userAgent: chrome, tls: 'TLSv1.3', protocol: 'HTTP/2' }),
    );
    expect(line.endsWith('}\n')).toBe(true);
    expect(JSON.parse(line)).toEqual({
      at: '2026-11-23T12:00:00.000Z',
      service: 'web',
      arm: 'stable',
      release: 'rel_1',
      method: 'GET',
      path: '/shop/7',
      status: 200,
      code: null,
      ms: 1.2,
      in: 0,
      out: 5,
      protocol: 'HTTP/2',
      tls: 'TLSv1.3',
      request: '0b8f2f4e-9a61-4a1e-8f5d-3f2b7c6d5e4a',
      client: '192.0.2.0/24',
      agent: 'Chrome 126',
    });
  });

  it.each([
    ['0b8f2f4e-9a61-4a1e-8f5d-3f2b7c6d5e4a', true],
    ['4bf92f3577b34da6a3ce929d0e0e4736', true],
    ['a0011223344556677-1f', true],
    ['01ARZ3NDEKTSV4RRFFQ69G5FAV', true],
    ['anna@example.com', false],
    ['00491701234567890', false],
    ['anna-mueller-1975', false],
    ['face', false],
  ])('keeps the id %s of a request: %j', (requestId, kept) => {
    const line = new AccessLines('truncated', new DayKey(null, NOON)).line(record({ requestId }));
    expect((JSON.parse(line) as { request: string }).request).toBe(kept ? requestId : ':own');
  });

  it('of hashed clients tells one from another on one day, and not on the next', () => {
    const lines = new AccessLines('hashed', new DayKey(null, NOON));
    const client = (address: string, at: number): string =>
      (JSON.parse(lines.line(record({ clientAddress: address, at }))) as { client: string }).client;
    const first = client('192.0.2.17', NOON);
    expect(client('192.0.2.17', NOON + 1_000)).toBe(first);
    expect(client('192.0.2.18', NOON)).not.toBe(first);
    expect(client('192.0.2.17', NOON + DAY)).not.toBe(first);
    expect(first).toMatch(/^[\w-]{12}$/);
  });
});

describe('the key of a day', () => {
  it('is the same in processes that began on different days', () => {
    const first = new DayKey(null, NOON);
    const second = new DayKey(first.state(NOON), NOON);
    expect(second.pseudonym('a', NOON)).toBe(first.pseudonym('a', NOON));
    const third = new DayKey(first.state(NOON + DAY), NOON + DAY);
    expect(third.pseudonym('a', NOON + 3 * DAY)).toBe(second.pseudonym('a', NOON + 3 * DAY));
  });

  it('is forgotten with the day', () => {
    const key = new DayKey(null, NOON);
    const before = key.pseudonym('a', NOON);
    key.pseudonym('a', NOON + DAY);
    expect(key.pseudonym('a', NOON)).not.toBe(before);
  });
});

describe('a path', () => {
  it.each([
    ['/', '/'],
    ['/shop/shoes', '/shop/shoes'],
    ['/api/v2/orders/42', '/api/v2/orders/42'],
    ['/static/app-3f2b7c.js', '/static/app-3f2b7c.js'],
    ['/how-to-order-a-present-for-somebody', '/how-to-order-a-present-for-somebody'],
    ['/users/anna@example.com', '/users/:email'],
    ['/users/anna%40example.com/x', '/users/:email/x'],
    ['/users/anna%2540example.com', '/users/:email'],
    ['/orders/12345678', '/orders/:number'],
    ['/tel/+491701234567', '/tel/:number'],
    ['/tel/+49-170-1234567', '/tel/:number'],
    ['/tel/+49%20170%201234567', '/tel/:text'],
    ['/how-to-order-2-presents-in-2026', '/how-to-order-2-presents-in-2026'],
    ['/abcdefghijklmnopqrstuvwxyz', '/:token'],
    ['/s/4f9d8a7b6c5e', '/s/:token'],
    ['/u/0b8f2f4e-9a61-4a1e-8f5d-3f2b7c6d5e4a/x', '/u/:uuid/x'],
    ['/reset/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP', '/reset/:token'],
    ['/invite/Zk3qLr8sTn2wPq5vXy7b', '/invite/:token'],
    ['/from/203.0.113.9', '/from/:address'],
    ['/from/2001:db8::1', '/from/:address'],
    ['/name/J%C3%B6rg', '/name/:text'],
    ['/x?mail=anna@example.com', '/x'],
    ['/%zz-broken', '/:text'],
  ])('%s is kept as %s', (written, kept) => {
    expect(withoutPersonalData(written)).toBe(kept);
  });

  it('keeps the prefix of its route as it is', () => {
    const route = ['/tenant-20261123/api'];
    expect(withoutPersonalData('/tenant-20261123/api/x/20261123', route)).toBe('/tenant-20261123/api/x/:number');
    expect(withoutPersonalData('/tenant-20261123/apix', route)).toBe('/tenant-:number/apix');
  });
});

describe('a program', () => {
  it.each([
    [null, 'none'],
    [chrome, 'Chrome 126'],
    [`${chrome} Edg/126.0.1`, 'Edge 126'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', 'Firefox 128'],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1',
      'Safari 17',
    ],
    ['curl/8.9.1', 'curl 8'],
    ['Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)', 'bot'],
    ['annas-own-program/1.0 (anna@example.com)', 'other'],
  ])('%s is %s', (userAgent, family) => {
    expect(programFamily(userAgent)).toBe(family);
  });
});

// Guide, 14.1: nothing personal in the logs. What is put in here must not come out.
describe('personal data', () => {
  const letters = fc.string({
    unit: fc.constantFrom(...Array.from('abcdefghijklmnopqrstuvwxyz')),
    minLength: 3,
    maxLength: 10,
  });
  const digits = (least: number, most: number) =>
    fc.string({ unit: fc.constantFrom(...Array.from('0123456789')), minLength: least, maxLength: most });
  const email = fc.tuple(letters, letters, letters).map(([first, last, host]) => `${first}.${last}@${host}.example`);
  const name = letters.map((text) => `Canary${text}`);
  const session = fc.uuid().map((id) => id.replaceAll('-', ''));
  const agent = fc
    .tuple(letters, digits(2, 3), digits(3, 5))
    .map(
      ([device, major, build]) =>
        `Mozilla/5.0 (Linux; Android 14; ${device} Canary) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${major}.0.${build}.77 Mobile Safari/537.36`,
    );
  const encodings = [
    (text: string) => text,
    encodeURIComponent,
    (text: string) => encodeURIComponent(encodeURIComponent(text)),
    (text: string) => Array.from(text, (letter) => `%${letter.charCodeAt(0).toString(16).padStart(2, '0')}`).join(''),
  ];
  const address = fc.oneof(fc.ipV4(), fc.ipV6());

  it.each(['truncated', 'hashed'] as const)('does not come out, with addresses %s', (addresses) => {
    fc.assert(
      fc.property(
        fc.record({
          email,
          name,
          session,
          agent,
          phone: digits(7, 14).map((text) => `+${text}`),
          address,
          other: fc.ipV4(),
          requestId: fc.option(fc.oneof(email, digits(8, 15), letters)),
          at: fc.nat(encodings.length - 1),
        }),
        (canary) => {
          const encode = encodings[canary.at] ?? String;
          const lines = new AccessLines(addresses, new DayKey(null, NOON));
          const line = lines.line(
            record({
              path: `/users/${encode(canary.email)}/calls/${encode(canary.phone)}/from/${encode(canary.other)}/${canary.session}?name=${encode(canary.name)}&session=${canary.session}#${canary.name}`,
              clientAddress: canary.address,
              userAgent: canary.agent,
              ...(canary.requestId === null ? {} : { requestId: canary.requestId }),
            }),
          );
          const read = JSON.parse(line) as Record<string, string>;
          expect(read['path']).toBe('/users/:email/calls/:number/from/:address/:token');
          for (const secret of [canary.email, canary.phone, canary.session, canary.name, canary.agent]) {
            expect(line).not.toContain(secret);
          }
          expect(line).not.toMatch(/@|%40|Android|Canary/);
          // What is left of the address is a network or a word, never the whole of it.
          expect(read['client']).not.toBe(canary.address);
          expect(read['client']).toMatch(
            addresses === 'hashed' ? /^[\w-]{12}$/ : /^(?:[\d.]+\.0\/24|(?:[0-9a-f]+:){3}:\/48)$/,
          );
          if (canary.requestId !== null) expect(read['request']).toBe(':own');
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe('the file', () => {
  let folder: string;
  let file: string;
  const logs: AccessLog[] = [];
  const openLog = (options: Partial<ConstructorParameters<typeof AccessLog>[0]> = {}): AccessLog => {
    const log = new AccessLog({ file, addresses: 'truncated', now: () => Date.now(), ...options });
    logs.push(log);
    return log;
  };
  const linesOf = async (name: string): Promise<Record<string, unknown>[]> =>
    (await readFile(path.join(folder, name), 'utf8'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'veza-access-log-'));
    file = path.join(folder, 'access.log');
  });
  afterEach(async () => {
    for (const log of logs.splice(0)) await log.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('is for its owner only, and holds each request as a line', async () => {
    const log = openLog();
    for (let i = 0; i < 100; i += 1) log.record(record({ bytesOut: i }));
    await log.flush();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await linesOf('access.log')).map(({ out }) => out)).toEqual([...Array(100).keys()]);
  });

  it('is written without being asked to', async () => {
    openLog().record(record());
    await expect.poll(() => linesOf('access.log').catch(() => []), { timeout: 5_000 }).toHaveLength(1);
  });

  it('is shared by several, line by line, across its turns', async () => {
    const all = [openLog({ maxBytes: 60_000 }), openLog({ maxBytes: 60_000 }), openLog({ maxBytes: 60_000 })];
    for (let round = 0; round < 10; round += 1) {
      for (const [worker, log] of all.entries()) {
        for (let i = 0; i < 50; i += 1) log.record(record({ bytesIn: worker, bytesOut: round * 50 + i }));
      }
      await Promise.all(all.map((log) => log.flush()));
    }
    const names = (await readdir(folder)).toSorted();
    expect(names.length).toBeGreaterThan(2);
    const lines = (await Promise.all(names.map(linesOf))).flat();
    expect(new Set(lines.map((line) => `${String(line['in'])}/${String(line['out'])}`)).size).toBe(1_500);
    expect(lines).toHaveLength(1_500);
  });

  it('is put aside when it is large; so many are kept', async () => {
    const log = openLog({ maxBytes: 1_000, keepFiles: 2 });
    for (let i = 0; i < 6; i += 1) {
      for (let j = 0; j < 5; j += 1) log.record(record({ bytesOut: i }));
      await log.flush();
    }
    expect((await readdir(folder)).toSorted()).toEqual(['access.log', 'access.log.1', 'access.log.2']);
    expect((await linesOf('access.log.1'))[0]).toMatchObject({ out: 4 });
    expect((await linesOf('access.log.2'))[0]).toMatchObject({ out: 3 });
  });

  it('is put aside on another day, and gone when it is too old', async () => {
    const log = openLog({ keepDays: 3 });
    log.record(record());
    await log.flush();
    const yesterday = (Date.now() - DAY) / 1_000;
    await utimes(file, yesterday, yesterday);
    await writeFile(`${file}.1`, '{}\n');
    const longAgo = (Date.now() - 4 * DAY) / 1_000;
    await utimes(`${file}.1`, longAgo, longAgo);
    log.record(record());
    await log.flush();
    expect((await readdir(folder)).toSorted()).toEqual(['access.log', 'access.log.1']);
    expect(await linesOf('access.log.1')).toHaveLength(1);
  });

  it('that was taken away is made again', async () => {
    const log = openLog();
    log.record(record());
    await log.flush();
    await rm(file);
    log.record(record());
    await log.flush();
    expect(await linesOf('access.log')).toHaveLength(1);
    await truncate(file);
    log.record(record());
    await log.flush();
    expect(await linesOf('access.log')).toHaveLength(1);
  });

  it('that cannot be written costs lines, not memory, and says how many when it can', async () => {
    // Given a folder where the file should be
    const troubles: (string | null)[] = [];
    const blocked = path.join(folder, 'blocked');
    await writeFile(blocked, '');
    const log = openLog({ file: path.join(blocked, 'access.log'), onTrouble: (trouble) => troubles.push(trouble) });
    for (let i = 0; i < 30_000; i += 1) log.record(record());
    await log.flush();
    expect(troubles).toEqual([expect.stringMatching(/ENOTDIR|EEXIST/)]);
    // When the way is free
    await rm(blocked);
    await log.flush();
    const lines = (await readFile(path.join(blocked, 'access.log'), 'utf8')).trim().split('\n');
    const last = JSON.parse(lines.at(-1) ?? '') as { dropped: number };
    expect(lines.length - 1 + last.dropped).toBe(30_000);
    expect(last.dropped).toBeGreaterThan(1_000);
    expect(troubles).toHaveLength(2);
    expect(troubles[1]).toBeNull();
  });
});
