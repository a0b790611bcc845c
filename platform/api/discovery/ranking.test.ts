import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Candidate, PER_ARTIST, rank, RULES, type Taste } from './ranking.ts';

const NOW = Date.parse('2026-11-23T12:00:00Z');
const DAY = 24 * 60 * 60 * 1000;
const nobody: Taste = { genres: new Map(), heard: new Set() };

const candidate = fc.record({
  id: fc.uuid({ version: 4 }),
  artistId: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  genre: fc.constantFrom('jazz', 'rock', 'folk'),
  publishedAt: fc.integer({ min: NOW - 100 * DAY, max: NOW }),
});
const candidates = fc.uniqueArray(candidate, { selector: ({ id }) => id, maxLength: 60 });
const taste = fc
  .record({ jazz: fc.integer({ min: 0, max: 100 }), heard: fc.array(fc.nat(59), { maxLength: 20 }) })
  .map(({ jazz, heard }) => ({
    genres: new Map([
      ['jazz', jazz / 100],
      ['rock', 1 - jazz / 100],
    ]),
    heard,
  }));

function many(count: number, of: (index: number) => Partial<Candidate> = () => ({})): readonly Candidate[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `track-${index}`,
    artistId: `artist-${index}`,
    genre: 'folk',
    publishedAt: NOW - 100 * DAY,
    ...of(index),
  }));
}

describe('a page', () => {
  it('says why: the score is the sum of the points, and the best comes first', () => {
    fc.assert(
      fc.property(candidates, taste, fc.string(), (tracks, { genres, heard }, seed) => {
        const known = { genres, heard: new Set(heard.map((index) => tracks[index]?.id ?? '')) };
        const page = rank(tracks, known, { seed, nowMs: NOW, count: 20 });

        for (const { score, because } of page) {
          const sum = because.reduce((total, { points }) => total + points, 0);
          expect(score).toBeCloseTo(sum, 6);
          expect(because.every(({ points }) => points !== 0)).toBe(true);
        }
        const scores = page.map(({ score }) => score);
        expect(scores).toEqual(scores.toSorted((a, b) => b - a));
      }),
    );
  });

  it('has each track once, few of one artist, and as many as there are', () => {
    fc.assert(
      fc.property(candidates, fc.string(), fc.integer({ min: 1, max: 20 }), (tracks, seed, count) => {
        const page = rank(tracks, nobody, { seed, nowMs: NOW, count });

        const artists = new Map(tracks.map(({ id, artistId }) => [id, artistId]));
        const perArtist = new Map<string, number>();
        for (const { id } of page)
          perArtist.set(artists.get(id) ?? '', (perArtist.get(artists.get(id) ?? '') ?? 0) + 1);
        const possible = [...new Set(tracks.map(({ artistId }) => artistId))].reduce(
          (sum, artist) => sum + Math.min(PER_ARTIST, tracks.filter(({ artistId }) => artistId === artist).length),
          0,
        );
        expect(new Set(page.map(({ id }) => id)).size).toBe(page.length);
        expect(Math.max(0, ...perArtist.values())).toBeLessThanOrEqual(PER_ARTIST);
        expect(page).toHaveLength(Math.min(count, possible));
      }),
    );
  });

  it('does not depend on the order in which the tracks were given', () => {
    fc.assert(
      fc.property(candidates, fc.string(), (tracks, seed) => {
        const draw = { seed, nowMs: NOW, count: 20 };

        expect(rank(tracks.toReversed(), nobody, draw)).toEqual(rank(tracks, nobody, draw));
      }),
    );
  });

  it('is another one for another seed', () => {
    const tracks = many(200);
    const ids = (seed: string) => rank(tracks, nobody, { seed, nowMs: NOW, count: 20 }).map(({ id }) => id);

    expect(ids('one')).not.toEqual(ids('other'));
    expect(ids('one')).toEqual(ids('one'));
  });
});

describe('points', () => {
  it('are never more than the documentation says', () => {
    fc.assert(
      fc.property(
        candidate,
        taste,
        fc.integer({ min: NOW - DAY, max: NOW + 365 * DAY }),
        (track, { genres }, nowMs) => {
          const points = RULES.map((rule) => rule.points(track, { genres, heard: new Set() }, nowMs));

          for (const each of points) expect(each).toBeGreaterThanOrEqual(0);
          expect(points.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(14);
        },
      ),
    );
  });

  it('double the chance when there are ten more', () => {
    // One track against one: the one in the genre that the listener plays all the time should win two times out of three.
    const tracks = many(2, (index) => ({ genre: index === 0 ? 'jazz' : 'folk' }));
    const jazz: Taste = { genres: new Map([['jazz', 1]]), heard: new Set() };
    const draws = 20_000;

    let won = 0;
    for (let draw = 0; draw < draws; draw += 1) {
      if (rank(tracks, jazz, { seed: String(draw), nowMs: NOW, count: 1 })[0]?.id === 'track-0') won += 1;
    }

    // Five standard errors of a share of 2/3.
    expect(Math.abs(won / draws - 2 / 3)).toBeLessThan(5 * Math.sqrt(((2 / 3) * (1 / 3)) / draws));
  });

  it('of a new release end with its thirty days', () => {
    const [track] = many(1, () => ({ publishedAt: NOW }));
    const reasons = (nowMs: number) =>
      rank(
        track === undefined ? [] : [track],
        { ...nobody, heard: new Set(['track-0']) },
        { seed: 's', nowMs, count: 1 },
      )[0]?.because.map(({ reason }) => reason);

    expect(reasons(NOW + 30 * DAY - 1)).toEqual(['your-turn', 'new-release']);
    expect(reasons(NOW + 30 * DAY)).toEqual(['your-turn']);
  });
});

it('gives every place on the page to everybody equally often when nothing speaks for anybody', () => {
  const tracks = many(10);
  const draws = 5_000;
  const counts = tracks.map(() => tracks.map(() => 0));
  for (let draw = 0; draw < draws; draw += 1) {
    const page = rank(tracks, nobody, { seed: String(draw), nowMs: NOW, count: 10 });
    for (const [place, { id }] of page.entries()) {
      const row = counts[Number(id.slice(6))];
      if (row !== undefined) row[place] = (row[place] ?? 0) + 1;
    }
  }

  // Pearson's chi-squared over 10 × 10 cells with 81 degrees of freedom: 147.3 is its 99.999 % quantile.
  const expected = draws / 10;
  const statistic = counts.flat().reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  expect(statistic).toBeLessThan(147.3);
});
