import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Http } from '../http.ts';
import { Session } from './session.ts';
import { browserTabs } from './tabs.ts';

/** A small identity: counts what it is asked, and answers as it is told to. */
let server: Server;
let origin: string;
let refreshes: number;
let refuse: number | null;
/** Tokens that the other services take. */
let good: Set<string>;
let now: number;
let opened: Session[];
let channel = 0;

beforeEach(async () => {
  [refreshes, refuse, good, now, opened] = [0, null, new Set(), 1_800_000_000_000, []];
  channel += 1;
  server = createServer((request, answer) => {
    const json = (status: number, body: unknown): void =>
      void answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const issue = (status: number): void => {
      const accessToken = `token-${good.size + 1}`;
      good.add(accessToken);
      json(status, { accessToken, expiresIn: 900, person: { id: 'p1' } });
    };
    if (request.url === '/auth/v1/login') issue(200);
    else if (request.url === '/auth/v1/logout') answer.writeHead(204).end();
    else if (request.url === '/auth/v1/refresh') {
      refreshes += 1;
      // Long enough for others to come meanwhile.
      setTimeout(() => (refuse === null ? issue(200) : json(refuse, { code: 'session-ended' })), 30);
    } else if (good.has((request.headers.authorization ?? '').slice(7))) json(200, { ok: true });
    else json(401, { code: 'token-refused' });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  for (const session of opened) session.stop();
  server.close();
  server.closeAllConnections();
});

const fetcher: typeof fetch = (path, init) => fetch(`${origin}${typeof path === 'string' ? path : ''}`, init);

/** A tab: real BroadcastChannel, real Web Locks. */
function tab(remembers = true): Session {
  let reminder = remembers;
  const session = new Session({
    fetch: fetcher,
    tabs: browserTabs(`session-test-${channel}`),
    now: () => now,
    reminder: { get: () => reminder, set: (present) => void (reminder = present) },
  });
  opened.push(session);
  return session;
}

describe('a session', () => {
  test('asks nothing for somebody who was never here', async () => {
    const session = tab(false);
    await session.start();
    expect(session.state).toEqual({ kind: 'out', ended: false });
    expect(refreshes).toBe(0);
  });

  test('goes on after a reload, by one request however many callers wait', async () => {
    const session = tab();
    const [, ...tokens] = await Promise.all([session.start(), session.token(), session.token(), session.token()]);
    expect(new Set(tokens).size).toBe(1);
    expect(refreshes).toBe(1);
    expect(session.state).toEqual({ kind: 'in', personId: 'p1' });
  });

  test('renews before the token ends', async () => {
    const session = tab();
    await session.logIn('a@example.org', 'secret');
    const first = await session.token();
    now += 839_000;
    expect(await session.token()).toBe(first);
    now += 2000;
    expect(await session.token()).not.toBe(first);
    expect(refreshes).toBe(1);
  });

  test('renews once for all tabs, or once more at most', async () => {
    const tabs = [tab(), tab(), tab()];
    await tabs[0]?.logIn('a@example.org', 'secret');
    for (const session of tabs) await expect.poll(() => session.state.kind).toBe('in');
    now += 880_000;
    const tokens = await Promise.all(tabs.map((session) => session.token()));
    for (const token of tokens) expect(good).toContain(token);
    // Whether the news or the turn reaches a waiting tab first is the browser's choice: one needless renewal does no harm.
    expect(refreshes).toBeLessThanOrEqual(2);
  });

  test('ends in every tab when it ends in one', async () => {
    const [one, other] = [tab(), tab()];
    await one.logIn('a@example.org', 'secret');
    await expect.poll(() => other.state.kind).toBe('in');
    await one.logOut();
    expect(one.state).toEqual({ kind: 'out', ended: false });
    await expect.poll(() => other.state).toEqual({ kind: 'out', ended: false });
    await expect(one.token()).rejects.toMatchObject({ code: 'logged-out' });
  });

  test('ends when identity says so, and says that nobody here asked for it', async () => {
    const session = tab();
    await session.logIn('a@example.org', 'secret');
    refuse = 401;
    now += 900_000;
    await expect(session.token()).rejects.toMatchObject({ status: 401 });
    expect(session.state).toEqual({ kind: 'out', ended: true });
  });

  test('outlives an identity that is away', async () => {
    const session = tab();
    await session.logIn('a@example.org', 'secret');
    refuse = 503;
    now += 900_000;
    await expect(session.token()).rejects.toMatchObject({ status: 503 });
    expect(session.state.kind).toBe('in');
    refuse = null;
    expect(await session.token()).toBe('token-2');
  });

  test('is not opened again by an answer that comes after it was ended', async () => {
    const session = tab();
    await session.logIn('a@example.org', 'secret');
    now += 900_000;
    const late = session.token();
    session.closed();
    await expect(late).rejects.toMatchObject({ code: 'logged-out' });
    expect(session.state.kind).toBe('out');
  });

  test('repeats a request whose token was refused, once, with a newer one', async () => {
    const session = tab();
    await session.logIn('a@example.org', 'secret');
    const http = new Http(session, fetcher);
    good.delete(await session.token());
    const ask = (): Promise<unknown> => http.ask('/api/v1/thing', (body) => body);
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([{ ok: true }, { ok: true }, { ok: true }]);
    expect(refreshes).toBe(1);
  });
});
