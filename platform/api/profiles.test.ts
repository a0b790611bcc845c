import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiRig, startApi } from './testing/api-rig.ts';

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApi();
});
afterAll(() => rig.stop());

const ME = '/api/v1/me/profile';
const told = { displayName: 'Aïssa Bâ', bio: 'Two lines\nof text', language: 'wo', gender: 'woman' };

describe('a profile', () => {
  it('is there before anything has been told', async () => {
    const person = await rig.person();

    const answer = await rig.ask(person, 'GET', ME);

    expect(answer.status).toBe(200);
    expect(answer.json()).toEqual({ id: person.id, displayName: 'Somebody', bio: '', language: 'en', gender: null });
    expect(answer.headers.get('etag')).toBe('"0"');
  });

  it('is what was written last, and others see all of it but the gender', async () => {
    const [person, other] = [await rig.person(), await rig.person()];

    const written = await rig.ask(person, 'PUT', ME, { json: told });

    expect(written.json()).toEqual({ id: person.id, ...told });
    expect((await rig.ask(person, 'GET', ME)).json()).toEqual({ id: person.id, ...told });
    const { gender: _, ...shown } = told;
    expect((await rig.ask(other, 'GET', `/api/v1/people/${person.id}`)).json()).toEqual({ id: person.id, ...shown });
  });

  it('takes back a gender that was told', async () => {
    const person = await rig.person();
    await rig.ask(person, 'PUT', ME, { json: told });

    const { gender: _, ...rest } = told;
    const answer = await rig.ask(person, 'PUT', ME, { json: rest });

    expect(answer.json()).toMatchObject({ gender: null });
  });

  it('is not overwritten by who has read an older one', async () => {
    const person = await rig.person();
    const first = await rig.ask(person, 'PUT', ME, { json: told, headers: { 'if-match': '"0"' } });
    await rig.ask(person, 'PUT', ME, { json: { ...told, bio: 'from the phone' } });

    const late = await rig.ask(person, 'PUT', ME, {
      json: { ...told, bio: 'from the computer' },
      headers: { 'if-match': first.headers.get('etag') ?? '' },
    });

    expect(late.status).toBe(412);
    expect((await rig.ask(person, 'GET', ME)).json()).toMatchObject({ bio: 'from the phone' });
  });

  it('is seen by others with the next request after a change', async () => {
    const [person, other] = [await rig.person(), await rig.person()];
    await rig.ask(person, 'PUT', ME, { json: told });
    await rig.ask(other, 'GET', `/api/v1/people/${person.id}`);

    await rig.ask(person, 'PUT', ME, { json: { ...told, displayName: 'Another name' } });

    const seen = await rig.ask(other, 'GET', `/api/v1/people/${person.id}`);
    expect(seen.json()).toMatchObject({ displayName: 'Another name' });
  });

  it('of nobody is not found', async () => {
    const [person, nobody] = [await rig.person(), await rig.person()];

    const answer = await rig.ask(person, 'GET', `/api/v1/people/${nobody.id}`);

    expect(answer.status).toBe(404);
    expect(answer.json()).toMatchObject({ code: 'person-not-found' });
  });

  it.each([
    ['no name', { ...told, displayName: '' }],
    ['a name of 81 characters', { ...told, displayName: 'x'.repeat(81) }],
    ['a name with a line break', { ...told, displayName: 'a\nb' }],
    ['a name with a NUL', { ...told, displayName: 'a\0b' }],
    ['half a surrogate pair', { ...told, bio: 'a\ud800b' }],
    ['a bio of 2001 characters', { ...told, bio: 'x'.repeat(2001) }],
    ['a bio with a NUL', { ...told, bio: '\0' }],
    ['no language', { ...told, language: 'English, mostly' }],
    ['a gender of its own', { ...told, gender: "x'); DROP TABLE profiles; --" }],
    ['another field', { ...told, version: 7 }],
    ['somebody else', { ...told, person_id: '00000000-0000-4000-8000-000000000000' }],
    ['a list', [told]],
    ['null', null],
  ])('with %s is refused', async (_what, json) => {
    const person = await rig.person();

    const answer = await rig.ask(person, 'PUT', ME, { json });

    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect((await rig.ask(person, 'GET', ME)).headers.get('etag')).toBe('"0"');
  });

  it('keeps SQL as the text that it is', async () => {
    const person = await rig.person();
    const displayName = `Robert'); DROP TABLE profiles; -- $1 \\ %s`;

    await rig.ask(person, 'PUT', ME, { json: { ...told, displayName } });

    expect((await rig.ask(person, 'GET', ME)).json()).toMatchObject({ displayName });
  });
});
