import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, type ApiRig, startApi, type TestPerson } from './testing/api-rig.ts';

let rig: ApiRig;
let owner: TestPerson;
let other: TestPerson;
let tracks: readonly string[];
beforeAll(async () => {
  rig = await startApi();
  [owner, other] = [await rig.person(), await rig.person()];
  tracks = [await rig.publish(owner), await rig.publish(other), await rig.publish(owner)];
});
afterAll(() => rig.stop());

async function make(playlist: object = { name: 'Evening' }): Promise<{ path: string; id: string; etag: string }> {
  const answer = await rig.ask(owner, 'POST', '/api/v1/playlists', { json: playlist });
  expect(answer.status).toBe(201);
  const { id } = answer.json<{ id: string }>();
  return { id, path: `/api/v1/playlists/${id}`, etag: etagOf(answer) };
}

const etagOf = (answer: Answer): string => answer.headers.get('etag') ?? 'none';
const match = (etag: string) => ({ headers: { 'if-match': etag } });

describe('a playlist', () => {
  it('is private unless it is told otherwise, and has its tracks in order, also twice', async () => {
    const { path, etag } = await make();
    const trackIds = [tracks[2], tracks[0], tracks[1], tracks[0]];

    const changed = await rig.ask(owner, 'PUT', `${path}/tracks`, { json: { trackIds }, ...match(etag) });
    const read = await rig.ask(owner, 'GET', path);

    expect(changed.status).toBe(200);
    expect(read.json()).toMatchObject({ name: 'Evening', visibility: 'private', trackIds });
    expect(read.json<{ tracks: { id: string }[] }>().tracks.map((track) => track.id)).toEqual(trackIds);
    expect(etagOf(read)).toBe(etagOf(changed));
    expect(etagOf(read)).not.toBe(etag);
  });

  it('is made once when the request is sent twice', async () => {
    const id = randomUUID();
    await make({ id, name: 'Once' });

    const again = await rig.ask(owner, 'POST', '/api/v1/playlists', { json: { id, name: 'Once' } });

    expect(again.status).toBe(201);
    expect(again.json()).toMatchObject({ id, version: 1 });
    const taken = await rig.ask(other, 'POST', '/api/v1/playlists', { json: { id, name: 'Once' } });
    expect([taken.status, taken.json()]).toMatchObject([409, { code: 'id-taken' }]);
  });

  it('is changed by one of two who have read the same version', async () => {
    const { path, etag } = await make();
    const put = (name: string) =>
      rig.ask(owner, 'PUT', path, { json: { name, visibility: 'private' }, ...match(etag) });

    const answers = await Promise.all([put('from the phone'), put('from the computer')]);

    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
    const winner = answers.find(({ status }) => status === 200)?.json<{ name: string }>().name;
    expect((await rig.ask(owner, 'GET', path)).json()).toMatchObject({ name: winner, version: 2 });
  });

  it('is not changed without saying which version', async () => {
    const { path } = await make();

    const answers = [
      await rig.ask(owner, 'PUT', path, { json: { name: 'x', visibility: 'public' } }),
      await rig.ask(owner, 'PUT', `${path}/tracks`, { json: { trackIds: [] } }),
    ];

    expect(answers.map(({ status }) => status)).toEqual([428, 428]);
  });

  it.each([
    ['any version', '*', 200],
    ['one of several', '"7", "1"', 200],
    ['a weak tag', 'W/"1"', 412],
    ['another version', '"2"', 412],
    ['no tag at all', 'hello', 412],
    ['a number that is none', '"99999999999999999999"', 412],
  ])('with %s in If-Match: %s is %i', async (_what, header, status) => {
    const { path } = await make();

    const answer = await rig.ask(owner, 'PUT', path, { json: { name: 'x', visibility: 'private' }, ...match(header) });

    expect(answer.status).toBe(status);
  });

  it('refuses tracks that are not there, or not there for everybody, and changes nothing', async () => {
    const { path, etag } = await make();
    const unfinished = (
      await rig.ask(owner, 'POST', '/api/v1/tracks', {
        json: { title: 'x', language: 'en', genre: 'folk', contentType: 'audio/wav', bytes: 5, sha256: 'a'.repeat(64) },
      })
    ).json<{ id: string }>().id;

    for (const wrong of [randomUUID(), unfinished]) {
      const json = { trackIds: [tracks[0], wrong] };
      const answer = await rig.ask(owner, 'PUT', `${path}/tracks`, { json, ...match(etag) });
      expect([answer.status, answer.json()]).toMatchObject([422, { code: 'unknown-tracks' }]);
    }

    expect((await rig.ask(owner, 'GET', path)).json()).toMatchObject({ trackIds: [], version: 1 });
  });

  it('loses a track that is removed', async () => {
    const { path, etag } = await make();
    const gone = await rig.publish(owner);
    await rig.ask(owner, 'PUT', `${path}/tracks`, { json: { trackIds: [gone, tracks[0]] }, ...match(etag) });

    await rig.ask(owner, 'DELETE', `/api/v1/tracks/${gone}`);

    expect((await rig.ask(owner, 'GET', path)).json()).toMatchObject({ trackIds: [tracks[0]] });
  });

  it('of somebody else is not there while it is private, and can be read but not changed when it is public', async () => {
    const { path, etag } = await make();
    const settings = { name: 'Evening', visibility: 'public' };
    const everything = async (): Promise<number[]> => [
      (await rig.ask(other, 'GET', path)).status,
      (await rig.ask(other, 'PUT', path, { json: settings, ...match('*') })).status,
      (await rig.ask(other, 'PUT', `${path}/tracks`, { json: { trackIds: [] }, ...match('*') })).status,
      (await rig.ask(other, 'DELETE', path)).status,
    ];

    expect(await everything()).toEqual([404, 404, 404, 404]);
    const shown = await rig.ask(owner, 'PUT', path, { json: settings, ...match(etag) });
    expect(shown.status).toBe(200);
    expect(await everything()).toEqual([200, 403, 403, 403]);
  });

  it('is gone when it is deleted, and not by who has read an older version', async () => {
    const { path, etag } = await make();
    await rig.ask(owner, 'PUT', path, { json: { name: 'newer', visibility: 'private' }, ...match(etag) });

    const late = await rig.ask(owner, 'DELETE', path, match(etag));
    const gone = await rig.ask(owner, 'DELETE', path);

    expect([late.status, gone.status, (await rig.ask(owner, 'GET', path)).status]).toEqual([412, 204, 404]);
  });

  it.each([
    ['no name', { name: '' }],
    ['a long name', { name: 'x'.repeat(121) }],
    ['another visibility', { name: 'x', visibility: 'friends' }],
    ['an owner', { name: 'x', owner_id: randomUUID() }],
    ['an id that is none', { name: 'x', id: '../../etc/passwd' }],
  ])('with %s is refused', async (_what, json) => {
    expect((await rig.ask(owner, 'POST', '/api/v1/playlists', { json })).status).toBe(400);
  });

  it('with more tracks than it may have is refused', async () => {
    const { path } = await make();

    const json = { trackIds: Array.from({ length: 1001 }, () => tracks[0]) };

    expect((await rig.ask(owner, 'PUT', `${path}/tracks`, { json, ...match('*') })).status).toBe(400);
  });
});

describe('my playlists', () => {
  it('are all of mine and nobody else’s, page by page', async () => {
    const me = await rig.person();
    const mine: string[] = [];
    for (let index = 0; index < 7; index += 1) {
      const made = await rig.ask(me, 'POST', '/api/v1/playlists', {
        json: { name: `list ${index}`, visibility: 'public' },
      });
      mine.push(made.json<{ id: string }>().id);
    }

    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const path: string = `/api/v1/me/playlists?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const page: { items: { id: string }[]; next: string | null } = (await rig.ask(me, 'GET', path)).json();
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next;
    }

    expect(seen).toEqual(mine.sort());
  });

  it('of somebody cannot be reached with their cursor', async () => {
    await make();
    const cursor = Buffer.from(JSON.stringify(['00000000-0000-4000-8000-000000000000'])).toString('base64url');

    const answer = await rig.ask(await rig.person(), 'GET', `/api/v1/me/playlists?cursor=${cursor}`);

    expect(answer.json()).toEqual({ items: [], next: null });
  });
});
