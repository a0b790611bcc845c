import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { makeAudio } from './audio.ts';
import { digestOf, makeCatalogue } from './catalogue.ts';
import { rowsOf } from './rows.ts';

describe('the seeded data', () => {
  test('is the same bytes every time', () => {
    expect(digestOf(makeCatalogue('tiny', 1))).toBe('768a8460341b1c3038ac5d0d2284448aaaf2b7cec76a5bf5970b19f7cef890fa');
    expect(digestOf(makeCatalogue('demo', 1))).toBe('26f2e3e2ff9144414d2ce663c1d3c4c93699cb90815901b835ad90e81ee14be4');
  });

  test('is other data for another seed', () => {
    expect(digestOf(makeCatalogue('tiny', 2))).not.toBe(digestOf(makeCatalogue('tiny', 1)));
  });

  test('has audio with the checksum and length that it says', () => {
    const { tracks } = makeCatalogue('tiny', 3);
    for (const { audio, bytes, sha256 } of tracks) {
      const made = makeAudio(audio);
      expect(made.length).toBe(bytes);
      expect(createHash('sha256').update(made).digest('hex')).toBe(sha256);
    }
    expect(new Set(tracks.map((track) => track.sha256)).size).toBe(tracks.length);
  });

  test('has each combination of language and gender as often among new artists as among established ones', () => {
    const { people } = makeCatalogue('demo', 4);
    const count = (kind: 'new' | 'established') => {
      const counts = new Map<string, number>();
      for (const { artist, language, gender } of people) {
        if (artist === kind) counts.set(`${language} ${gender}`, (counts.get(`${language} ${gender}`) ?? 0) + 1);
      }
      return counts;
    };
    expect(count('new')).toEqual(count('established'));
    expect(new Set(count('new').values())).toEqual(new Set([2]));
  });

  test('numbers the messages of a room 1, 2, 3… in the order of their time', () => {
    const { rooms, messages } = makeCatalogue('demo', 5);
    for (const room of rooms) {
      const its = messages.filter((message) => message.room === room);
      expect(its.map(({ seq }) => seq)).toEqual(its.map((_, index) => index + 1));
      expect(its.map(({ at }) => at.getTime())).toEqual(its.map(({ at }) => at.getTime()).toSorted((a, b) => a - b));
    }
  });

  test('lets nothing happen before the people and tracks are there, nor after its end', () => {
    const now = new Date('2026-06-01T00:00:00Z');
    const { tracks, plays } = makeCatalogue('tiny', 6, now);
    for (const { artist, publishedAt } of tracks) expect(publishedAt >= artist.joinedAt).toBe(true);
    for (const { track, at } of plays) {
      expect(at >= track.publishedAt).toBe(true);
      expect(at <= now).toBe(true);
    }
  });

  test('becomes rows with the same columns in every row of a table', () => {
    for (const { table, columns, rows } of rowsOf(makeCatalogue('tiny', 1))) {
      for (const row of rows) expect(Object.keys(row), table).toEqual(columns);
    }
  });
});

describe('audio', () => {
  test('is WAV that says its own length', () => {
    const wav = makeAudio({ kind: 'wav', seed: 'a', durationMs: 1_000 });
    expect(wav.subarray(0, 4).toString()).toBe('RIFF');
    expect(wav.readUInt32LE(4)).toBe(wav.length - 8);
    expect(wav.readUInt32LE(40)).toBe(16_000);
  });

  test('is MP3 of whole frames, with nothing in between that looks like the start of one', () => {
    const mp3 = makeAudio({ kind: 'mp3', seed: 'a', durationMs: 1_000 });
    const starts = [...mp3.keys()].filter((at) => mp3[at] === 0xff);
    expect(starts).toEqual(Array.from({ length: 28 }, (_, frame) => frame * 144));
  });
});
