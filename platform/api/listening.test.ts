import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiRig, startApi, type TestPerson } from './testing/api-rig.ts';

interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: string | null;
}

let rig: ApiRig;
let artist: TestPerson;
let me: TestPerson;
beforeAll(async () => {
  rig = await startApi();
  [artist, me] = [await rig.person(), await rig.person()];
  await rig.ask(artist, 'PUT', '/api/v1/me/profile', {
    json: { displayName: 'Søren Traoré', bio: '', language: 'da' },
  });
});
afterAll(() => rig.stop());

describe('the history', () => {
  const play = (person: TestPerson, id: string, json: object) =>
    rig.ask(person, 'POST', `/api/v1/tracks/${id}/plays`, { json });

  it('has what was listened to, the latest first, page by page, without gap or double while more is added', async () => {
    const tracks = [await rig.publish(artist), await rig.publish(artist)];
    const listener = await rig.person();
    const played: string[] = [];
    for (let index = 0; index < 10; index += 1) {
      const answer = await play(listener, tracks[index % 2] ?? '', { ms: index });
      expect(answer.status).toBe(201);
      played.unshift(answer.json<{ id: string }>().id);
    }

    const seen: string[] = [];
    let before = '';
    do {
      const page = (await rig.ask(listener, 'GET', `/api/v1/me/history?limit=3${before}`)).json<Page<{ id: string }>>();
      seen.push(...page.items.map(({ id }) => id));
      before = page.next === null ? '' : `&before=${page.next}`;
      await play(listener, tracks[0] ?? '', { ms: 99 });
    } while (before !== '');

    expect(seen).toEqual(played);
  });

  it('counts a report that is sent again once', async () => {
    const [track, other] = [await rig.publish(artist), await rig.publish(artist)];
    const listener = await rig.person();
    const id = randomUUID();

    const answers = [await play(listener, track, { ms: 5, id }), await play(listener, track, { ms: 5, id })];
    const reused = await play(listener, other, { ms: 5, id });

    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    expect(reused.status).toBe(404);
    const { items } = (await rig.ask(listener, 'GET', '/api/v1/me/history')).json<Page<unknown>>();
    expect(items).toMatchObject([{ id, ms: 5, track: { id: track } }]);
  });

  it('is not disturbed by somebody who reports with the same id', async () => {
    const track = await rig.publish(artist);
    const [one, other] = [await rig.person(), await rig.person()];
    const id = randomUUID();

    const answers = [await play(one, track, { ms: 5, id }), await play(other, track, { ms: 6, id })];

    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    expect((await rig.ask(other, 'GET', '/api/v1/me/history')).json()).toMatchObject({ items: [{ ms: 6 }] });
  });

  it('is one’s own', async () => {
    const track = await rig.publish(artist);
    await play(await rig.person(), track, { ms: 5 });

    expect((await rig.ask(await rig.person(), 'GET', '/api/v1/me/history')).json()).toEqual({ items: [], next: null });
  });

  it.each([[{ ms: -1 }], [{ ms: 86_400_001 }], [{ ms: '5' }], [{}], [{ ms: 5, person_id: 'x' }]])(
    'takes no report of %j',
    async (json) => {
      expect((await play(me, await rig.publish(artist), json)).status).toBe(400);
    },
  );

  it('has nothing of a track that is not there', async () => {
    expect((await play(me, randomUUID(), { ms: 1 })).status).toBe(404);
  });
});

describe('the search', () => {
  const search = async (question: string, more = '') =>
    (await rig.ask(me, 'GET', `/api/v1/search?q=${encodeURIComponent(question)}${more}`)).json<
      Page<{ id: string; title: string }>
    >();
  let ids: Record<string, string>;
  beforeAll(async () => {
    const titles = [
      'Élan vital',
      'Élan',
      'Elan of tomorrow',
      'Smørrebrød blues',
      'AC/DC-like noise',
      'ДЖАЗ вечером',
      '東京の夜',
    ];
    ids = {};
    for (const title of titles) ids[title] = await rig.publish(artist, { title, genre: 'mbalax' });
  });

  it.each([
    ['ELAN VITAL', ['Élan vital']],
    ['smorre', ['Smørrebrød blues']],
    ['ac dc', ['AC/DC-like noise']],
    ['like-noise', ['AC/DC-like noise']],
    ['джаз', ['ДЖАЗ вечером']],
    ['東京', ['東京の夜']],
    ['soren elan vital', ['Élan vital']],
    ['traore blues', ['Smørrebrød blues']],
    ['mbalax vital', ['Élan vital']],
    ['lan', []],
    ['elan nobody', []],
  ])('for "%s" finds %j', async (question, titles) => {
    expect((await search(question)).items.map(({ title }) => title)).toEqual(titles);
  });

  it('shows the very title first, then those that begin so', async () => {
    const found = (await search('élan')).items.map(({ title }) => title);

    expect(found[0]).toBe('Élan');
    expect(found.slice(1).sort()).toEqual(['Elan of tomorrow', 'Élan vital']);
  });

  it('shows every track once, page by page', async () => {
    const seen: string[] = [];
    let more = '&limit=2';
    for (;;) {
      const { items, next } = await search('mbalax', more);
      seen.push(...items.map(({ id }) => id));
      if (next === null) break;
      more = `&limit=2&cursor=${next}`;
    }

    expect(seen.sort()).toEqual(Object.values(ids).sort());
  });

  it.each([
    ["'"],
    ["' | *"],
    ['&'],
    ['!elan'],
    ['a:b'],
    ['\\'],
    ["x':* | 'y"],
    ['%'],
    ['((('],
    ['<->'],
    ['élan\u0301\u0301\u0301'],
    ['   '],
    ['😀'],
  ])('takes %j for words and nothing else', async (question) => {
    const answer = await rig.ask(me, 'GET', `/api/v1/search?q=${encodeURIComponent(question)}`);

    expect(answer.status).toBe(200);
  });

  it.each([
    ['no question', ''],
    ['an empty one', '?q='],
    ['a long one', `?q=${'x'.repeat(101)}`],
    ['a NUL', '?q=a%00b'],
    ['two questions', '?q=a&q=b'],
    ['a page that is too long', '?q=a&limit=101'],
    ['half a page', '?q=a&limit=0.5'],
    ['another parameter', '?q=a&sort=id'],
    ['a cursor that is none', '?q=a&cursor=%00'],
    ['a cursor with SQL in it', `?q=a&cursor=${Buffer.from(`[0,"' OR 1=1","x"]`).toString('base64url')}`],
    ['a cursor of another kind', `?q=a&cursor=${Buffer.from('{"a":1}').toString('base64url')}`],
  ])('with %s is refused', async (_what, query) => {
    expect((await rig.ask(me, 'GET', `/api/v1/search${query}`)).status).toBe(400);
  });
});

describe('every route', () => {
  const routes: readonly (readonly [string, string])[] = [
    ['GET', '/me/profile'],
    ['PUT', '/me/profile'],
    ['GET', `/people/${randomUUID()}`],
    ['POST', '/tracks'],
    ['GET', `/tracks/${randomUUID()}`],
    ['DELETE', `/tracks/${randomUUID()}`],
    ['GET', `/tracks/${randomUUID()}/media`],
    ['POST', `/tracks/${randomUUID()}/plays`],
    ['HEAD', `/tracks/${randomUUID()}/upload`],
    ['PATCH', `/tracks/${randomUUID()}/upload`],
    ['GET', `/tracks/${randomUUID()}/download`],
    ['HEAD', `/tracks/${randomUUID()}/download`],
    ['POST', '/playlists'],
    ['GET', '/me/playlists'],
    ['GET', `/playlists/${randomUUID()}`],
    ['PUT', `/playlists/${randomUUID()}`],
    ['PUT', `/playlists/${randomUUID()}/tracks`],
    ['DELETE', `/playlists/${randomUUID()}`],
    ['GET', '/search?q=a'],
    ['GET', '/discover'],
    ['GET', '/me/history'],
  ];
  // What is wrong with a body is told to nobody either who is not logged in; 400 would be an answer as well.
  const valid: Readonly<Record<string, Readonly<Record<string, string>>>> = { PATCH: { 'upload-offset': '0' } };

  it.each(routes)('%s %s needs an access token', async (method, path) => {
    const answer = await rig.ask(null, method, `/api/v1${path}`, { headers: valid[method] ?? {} });

    expect([400, 401]).toContain(answer.status);
    if (!['PUT', 'POST'].includes(method)) expect(answer.status).toBe(401);
  });

  it.each(routes.filter(([, path]) => /[0-9a-f]{8}-/.test(path)))('%s %s takes ids alone', async (method, path) => {
    for (const wrong of [
      '1',
      'x'.repeat(400),
      '%00',
      "'%20OR%201=1",
      '..%2f..%2fetc%2fpasswd',
      '00000000-0000-0000-0000-00000000000g',
    ]) {
      const answer = await rig.ask(me, method, `/api/v1${path.replace(/[0-9a-f-]{36}/, wrong)}`, {
        headers: valid[method] ?? {},
      });
      expect(answer.status).toBe(400);
    }
  });

  it.each(routes.filter(([method]) => method === 'PUT' || method === 'POST'))(
    '%s %s takes no broken body',
    async (method, path) => {
      for (const body of [
        '',
        '{',
        'null',
        '[]',
        '{"__proto__":{"x":1}}',
        '"x"',
        `{"name":"${'x'.repeat(1_100_000)}"}`,
      ]) {
        const answer = await rig.ask(me, method, `/api/v1${path}`, {
          body,
          headers: { 'content-type': 'application/json', 'if-match': '*' },
        });
        expect([400, 413]).toContain(answer.status);
        expect(answer.headers.get('content-type')).toContain('application/problem+json');
      }
    },
  );

  it('is in the OpenAPI document', async () => {
    const { paths } = (await rig.ask(null, 'GET', '/api/v1/openapi.json')).json<{ paths: Record<string, object> }>();

    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map(
        (method) => `${method.toUpperCase()} ${path.replace('/api/v1', '').replace('{id}', ':id')}`,
      ),
    );
    // HEAD goes without saying there.
    const wanted = routes
      .filter(([method]) => method !== 'HEAD')
      .map(([method, path]) => `${method} ${path.replace(/[0-9a-f-]{36}/, ':id').replace(/\?.*/, '')}`);
    expect(described).toEqual(expect.arrayContaining(wanted));
  });
});
