import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startLoad } from './load.ts';
import { actions, type Action, type LoadOptions } from './options.ts';
import { isClean, type LoadReport } from './report.ts';
import { startFront, type Faults, type Front, type Passing } from './testing/front.ts';
import { startPlatform, type RunningPlatform } from './testing/platform.ts';

// The real services, and a front between them and the people: whatever it does wrong must be found, and nothing else.

let platform: RunningPlatform;

beforeAll(async () => {
  platform = await startPlatform();
}, 120_000);
afterAll(async () => platform?.stop());

/** A few seconds of people, who may be let down by the front. */
async function people(
  faults: Faults,
  options: Partial<LoadOptions> = {},
  during: (front: Front) => Promise<void> = () => Promise.resolve(),
): Promise<LoadReport> {
  const front = await startFront(platform.routes, faults);
  try {
    const run = startLoad({
      target: front.url,
      rate: 15,
      duration: '4s',
      people: 8,
      rooms: 1,
      members: 3,
      messagesPerSecond: 6,
      timeout: '3s',
      seeded: 'tiny:1',
      ...options,
    });
    await run.ready;
    await during(front);
    return await run.finished;
  } finally {
    await front.stop();
  }
}

/** Does something once, to the first answer that it is for. */
function once(
  isIt: (method: string, path: string, answer: Passing) => boolean,
  change: (answer: Passing) => Passing | null,
): Faults {
  let done = false;
  return {
    answer: (method, path, answer) => {
      if (done || !isIt(method, path, answer)) return answer;
      done = true;
      return change(answer);
    },
  };
}

const evenly = Object.fromEntries(actions.map((one) => [one, 1]));

const onlyOne = (action: Action): Pick<LoadOptions, 'mix'> => ({
  mix: Object.fromEntries(actions.map((one) => [one, one === action ? 1 : 0])),
});

describe('the user model on services that do no wrong', () => {
  test('finds nothing', async () => {
    const report = await people({}, { duration: '6s', rate: 15, people: 30, mix: evenly });
    expect([...report.lostDetails, ...report.wrongDetails, ...report.loggedOutDetails]).toEqual([]);
    expect(isClean(report)).toBe(true);
    expect(report.chat.acknowledged).toBe(report.chat.said);
    expect(report.chat.delivered).toBe(report.chat.acknowledged * 3);
    expect(report.audioBytes).toBeGreaterThan(0);
    // Everything that people do was done.
    for (const [operation, its] of Object.entries(report.operations)) expect(its.ok, operation).toBeGreaterThan(0);
  }, 60_000);

  test('loses no message over connections that a router closes', async () => {
    const report = await people({}, { duration: '5s' }, async (front) => {
      for (const _ of [1, 2, 3]) {
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        front.closeSockets(1001);
      }
    });
    expect(report.wrongDetails).toEqual([]);
    expect(report.chat).toMatchObject({ missing: 0, reconnects: 9 });
    expect(isClean(report)).toBe(true);
  }, 60_000);
});

describe('the user model finds', () => {
  test('a wrong byte of audio', async () => {
    const flipped = (answer: Passing): Passing => {
      const body = Buffer.from(answer.body);
      body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 1;
      return { ...answer, body };
    };
    const report = await people(
      once((_, path) => path.startsWith('/media/'), flipped),
      onlyOne('play'),
    );
    expect(report.wrongDetails.map(({ operation, detail }) => [operation, /another byte at/.test(detail)])).toEqual([
      ['play', true],
    ]);
  }, 60_000);

  test('an answer that breaks off', async () => {
    const report = await people(
      once(
        (_, path) => path.startsWith('/api/v1/discover'),
        () => null,
      ),
      onlyOne('discover'),
    );
    expect(report.lostDetails.map(({ kind, operation }) => [kind, operation])).toEqual([['reset', 'discover']]);
    expect(report.wrong).toBe(0);
  }, 60_000);

  test('an error of the router, and tells it from one of a release', async () => {
    const router = once(
      (_, path) => path.startsWith('/api/v1/discover'),
      (answer) => ({
        ...answer,
        status: 503,
        headers: { ...answer.headers, 'x-veza-error': 'no-instance' },
      }),
    );
    expect(await people(router, onlyOne('discover'))).toMatchObject({ lost: 1, failedByRelease: 0, wrong: 0 });
    const release = once(
      (_, path) => path.startsWith('/api/v1/discover'),
      (answer) => ({ ...answer, status: 500 }),
    );
    expect(await people(release, onlyOne('discover'))).toMatchObject({
      lost: 0,
      failedByRelease: 1,
      failedByReleases: { rel_test: 1 },
      wrong: 0,
    });
  }, 60_000);

  test('a session that is logged out', async () => {
    const unauthorised = (answer: Passing): Passing => ({ ...answer, status: 401, body: Buffer.from('{}') });
    const report = await people(
      once((_, path) => path.startsWith('/api/v1/me/history'), unauthorised),
      onlyOne('history'),
    );
    expect(report.loggedOut).toBe(1);
    expect(isClean(report)).toBe(false);
  }, 60_000);

  test('somebody else’s answer', async () => {
    let kept: Passing | null = null;
    const report = await people(
      {
        answer: (method, path, answer) => {
          if (method !== 'GET' || path !== '/auth/v1/me') return answer;
          kept ??= answer;
          return kept;
        },
      },
      onlyOne('refresh'),
    );
    expect(report.wrongDetails[0]?.detail).toMatch(/id is .* instead of/);
  }, 60_000);

  test('a write that is not read again', async () => {
    const stale = once(
      (method, path) => method === 'GET' && path === '/api/v1/me/profile',
      (answer) => ({
        ...answer,
        body: Buffer.from(
          JSON.stringify({ ...(JSON.parse(answer.body.toString()) as object), bio: 'as it was before' }),
        ),
      }),
    );
    const report = await people(stale, onlyOne('profile'));
    expect(report.wrongDetails.map(({ detail }) => detail)).toEqual([expect.stringMatching(/bio is as it was before/)]);
  }, 60_000);

  test('a refresh token that the page’s scripts could read', async () => {
    const weak = once(
      (_, path, { headers }) => path === '/auth/v1/refresh' && headers['set-cookie'] !== undefined,
      (answer) => ({
        ...answer,
        headers: {
          ...answer.headers,
          'set-cookie': (answer.headers['set-cookie'] ?? []).map((cookie) => cookie.replace(/; *HttpOnly/i, '')),
        },
      }),
    );
    const report = await people(weak, onlyOne('refresh'));
    expect(report.wrongDetails.map(({ detail }) => detail)).toEqual([expect.stringMatching(/has no httponly/)]);
  }, 60_000);

  test('a chat message that one member never gets', async () => {
    let dropped = false;
    const report = await people({
      frame: (text) => {
        if (dropped || !text.includes('"type":"message"')) return [text];
        dropped = true;
        return [];
      },
    });
    expect(report.chat.missing).toBe(1);
    expect(isClean(report)).toBe(false);
  }, 60_000);

  test('two chat messages in the wrong order', async () => {
    let held: string | null = null;
    let swapped = false;
    const report = await people(
      {
        frame: (text) => {
          if (swapped || !text.includes('"type":"message"')) return [text];
          if (held === null) {
            held = text;
            return [];
          }
          // Only messages to the same member are swapped, and those say different numbers.
          if (seqOf(text) === seqOf(held)) return [text];
          swapped = true;
          return [text, held];
        },
      },
      { members: 1, messagesPerSecond: 10 },
    );
    expect(report.wrongDetails.map(({ detail }) => detail)).toEqual([
      expect.stringMatching(/saw message 2 instead of 1/),
      expect.stringMatching(/saw message 1 after 2/),
    ]);
    expect(report.chat.missing).toBe(0);
  }, 60_000);

  test('a chat message twice', async () => {
    let doubled = false;
    const report = await people({
      frame: (text) => {
        if (doubled || !text.includes('"type":"message"')) return [text];
        doubled = true;
        return [text, text];
      },
    });
    expect(report.wrongDetails.map(({ detail }) => detail)).toEqual([expect.stringMatching(/twice/)]);
  }, 60_000);

  test('a chat connection that is closed without the word', async () => {
    const report = await people({}, {}, async (front) => {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      front.closeSockets(1011);
    });
    expect(report.lostDetails.map(({ kind }) => kind)).toEqual([
      'websocket-closed',
      'websocket-closed',
      'websocket-closed',
    ]);
    expect(report.chat.missing).toBe(0);
  }, 60_000);
});

function seqOf(text: string): number {
  return (JSON.parse(text) as { seq: number }).seq;
}
