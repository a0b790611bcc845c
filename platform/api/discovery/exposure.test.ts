import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Catalogue, makeCatalogue, type SeedTrack } from '../../seed/catalogue.ts';
import { type ApiRig, startApi } from '../testing/api-rig.ts';
import { type ExposureRatio, measureExposure } from './exposure.ts';
import { PERIOD_MS } from './pool.ts';
import { type Candidate, rank, type Rule, RULES, type Taste } from './ranking.ts';

const catalogue = makeCatalogue('demo', 1);
const NOW = Date.parse('2026-11-01T12:00:00Z');
const PAGES = 600;

const groupings: Readonly<Record<string, (track: SeedTrack) => string>> = {
  'new and established artists': ({ artist }) => artist.artist ?? 'none',
  languages: ({ artist }) => artist.language,
  genders: ({ artist }) => artist.gender ?? 'not told',
};

function measure(
  pages: readonly (readonly string[])[],
  groupOf: (track: SeedTrack) => string,
): readonly ExposureRatio[] {
  return measureExposure(new Map(catalogue.tracks.map((track) => [track.id, groupOf(track)])), pages);
}

describe('discovery, through the route and the database', () => {
  let rig: ApiRig;
  let pages: (readonly string[])[];
  beforeAll(async () => {
    let now = NOW;
    rig = await startApi({ clock: () => now });
    await insert(rig, catalogue);
    pages = [];
    for (let index = 0; index < PAGES; index += 1) {
      // Another hour each time, so that the pages are independent of each other.
      now += PERIOD_MS;
      const person = await rig.person(catalogue.people[index % catalogue.people.length]?.id ?? '');
      const answer = await rig.ask(person, 'GET', '/api/v1/discover');
      pages.push(answer.json<{ items: { track: { id: string } }[] }>().items.map(({ track }) => track.id));
    }
  }, 180_000);
  afterAll(() => rig.stop());

  it.each(Object.entries(groupings))('shows %s in proportion to their music', (_name, groupOf) => {
    const ratios = measure(pages, groupOf);

    expect(ratios.length).toBeGreaterThanOrEqual(2);
    expect(ratios.filter(({ verdict }) => verdict !== 'parity')).toEqual([]);
  });

  it('shows a language alone when it is asked for, and every track of it sooner or later', async () => {
    const person = await rig.person();
    const language = 'fr';
    const wanted = new Set(catalogue.tracks.filter(({ artist }) => artist.language === language).map(({ id }) => id));

    const answer = await rig.ask(person, 'GET', `/api/v1/discover?language=${language}`);

    const items = answer.json<{ items: { track: { id: string } }[] }>().items;
    expect(items.length).toBe(20);
    expect(items.every(({ track }) => wanted.has(track.id))).toBe(true);
    expect(new Set(pages.flat()).size).toBe(catalogue.tracks.length);
  });

  it('shows nobody their own tracks', async () => {
    const artist = catalogue.tracks[0]?.artist.id ?? '';

    const answer = await rig.ask(await rig.person(artist), 'GET', '/api/v1/discover');

    const artists = answer
      .json<{ items: { track: { artist: { id: string } } }[] }>()
      .items.map(({ track }) => track.artist.id);
    expect(artists).not.toContain(artist);
  });

  it('says why, and the points of what somebody plays are among it', async () => {
    const jazz = catalogue.tracks.find(({ genre }) => genre === 'jazz');
    const person = await rig.person();
    await rig.ask(person, 'POST', `/api/v1/tracks/${jazz?.id}/plays`, { json: { ms: 1_000 } });

    const { items } = (await rig.ask(person, 'GET', '/api/v1/discover')).json<{
      items: { track: { id: string; genre: string }; because: { reason: string; points: number }[] }[];
    }>();

    for (const { track, because } of items) {
      const points = (reason: string) => because.find((each) => each.reason === reason)?.points;
      expect(points('genre-you-play')).toBe(track.genre === 'jazz' ? 10 : undefined);
      expect(points('not-heard-yet')).toBe(track.id === jazz?.id ? undefined : 3);
      expect(points('your-turn')).toBeDefined();
    }
  });
});

describe('the test of bias', () => {
  const bySeed = new Map(catalogue.tracks.map((track) => [track.id, track]));
  const plays = new Map<string, number>();
  for (const { track } of catalogue.plays) plays.set(track.id, (plays.get(track.id) ?? 0) + 1);
  const nobody: Taste = { genres: new Map(), heard: new Set() };

  function draw(
    rules: readonly Rule[],
    among: readonly SeedTrack[] = catalogue.tracks,
  ): readonly (readonly string[])[] {
    const candidates: Candidate[] = among.map(({ id, artist, genre, publishedAt }) => ({
      id,
      artistId: artist.id,
      genre,
      publishedAt: publishedAt.getTime(),
    }));
    return Array.from({ length: PAGES }, (_, index) =>
      rank(candidates, nobody, { seed: String(index), nowMs: NOW, count: 20 }, rules).map(({ id }) => id),
    );
  }
  const planted = (points: (track: SeedTrack) => number): readonly Rule[] => [
    ...RULES,
    {
      reason: 'genre-you-play',
      points: ({ id }) => {
        const track = bySeed.get(id);
        return track === undefined ? 0 : points(track);
      },
    },
  ];

  it('finds nothing in the rules as they are', () => {
    const pages = draw(RULES);

    for (const groupOf of Object.values(groupings)) {
      expect(measure(pages, groupOf).map(({ verdict }) => verdict)).not.toContain('bias');
      expect(measure(pages, groupOf).map(({ verdict }) => verdict)).not.toContain('undecided');
    }
  });

  it.each<[string, string, readonly Rule[]]>([
    ['what is played most', 'new and established artists', planted(({ id }) => 2 * (plays.get(id) ?? 0))],
    [
      'established artists',
      'new and established artists',
      planted(({ artist }) => (artist.artist === 'new' ? -12 : 0)),
    ],
    ['new artists', 'new and established artists', planted(({ artist }) => (artist.artist === 'new' ? 12 : 0))],
    ['one language', 'languages', planted(({ artist }) => (artist.language === 'en' ? 6 : 0))],
    ['all languages but one', 'languages', planted(({ artist }) => (artist.language === 'wo' ? -6 : 0))],
    ['one gender', 'genders', planted(({ artist }) => (artist.gender === 'man' ? 6 : 0))],
    ['who has told a gender', 'genders', planted(({ artist }) => (artist.gender === null ? -10 : 0))],
  ])('finds points for %s', (_what, grouping, rules) => {
    const groupOf = groupings[grouping];

    const verdicts = groupOf === undefined ? [] : measure(draw(rules), groupOf).map(({ verdict }) => verdict);

    expect(verdicts).toContain('bias');
  });

  it('finds a sample of the catalogue that prefers the oldest tracks', () => {
    const oldest = catalogue.tracks.toSorted((a, b) => a.publishedAt.getTime() - b.publishedAt.getTime()).slice(0, 200);

    const verdicts = measure(draw(RULES, oldest), groupings['new and established artists'] ?? (() => '')).map(
      ({ verdict }) => verdict,
    );

    expect(verdicts).toContain('bias');
  });

  it('does not take few pages for parity', () => {
    const few = draw(RULES).slice(0, 5);

    expect(measure(few, groupings['languages'] ?? (() => '')).map(({ verdict }) => verdict)).toContain('undecided');
  });

  it('gives the first place the most attention', () => {
    const groups = new Map([
      ['a', 'first'],
      ['b', 'second'],
    ]);

    const [first, second] = measureExposure(groups, [
      ['a', 'b'],
      ['a', 'b'],
    ]);

    // 1 / log2(2) = 1 and 1 / log2(3) = 0.63, of 1.63; each has half of the catalogue.
    expect(first?.ratio).toBeCloseTo(2 / (1 + 1 / Math.log2(3)), 10);
    expect(second?.ratio).toBeCloseTo(2 / (1 + Math.log2(3)), 10);
    expect([first?.verdict, second?.verdict]).toEqual(['parity', 'bias']);
  });
});

async function insert(rig: ApiRig, { people, tracks, plays }: Catalogue): Promise<void> {
  await rig.sql(
    `INSERT INTO profiles (person_id, display_name, language, gender)
     SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])`,
    [
      people.map((p) => p.id),
      people.map((p) => p.displayName),
      people.map((p) => p.language),
      people.map((p) => p.gender),
    ],
  );
  await rig.sql(
    `INSERT INTO tracks (id, artist_id, title, language, genre, bytes, sha256, content_type, state, published_at)
     SELECT id, artist_id, title, language, genre, bytes, sha256, 'audio/wav', 'ready', published_at
       FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::timestamptz[])
         AS t (id, artist_id, title, language, genre, bytes, sha256, published_at)`,
    [
      tracks.map((t) => t.id),
      tracks.map((t) => t.artist.id),
      tracks.map((t) => t.title),
      tracks.map((t) => t.artist.language),
      tracks.map((t) => t.genre),
      tracks.map((t) => t.bytes),
      tracks.map((t) => t.sha256),
      tracks.map((t) => t.publishedAt),
    ],
  );
  await rig.sql(
    `INSERT INTO plays (id, person_id, track_id, ms, played_at)
     SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::timestamptz[])`,
    [
      plays.map((p) => p.id),
      plays.map((p) => p.person.id),
      plays.map((p) => p.track.id),
      plays.map((p) => p.listenedMs),
      plays.map((p) => p.at),
    ],
  );
}
