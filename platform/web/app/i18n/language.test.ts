import { describe, expect, test } from 'vitest';
import { fill, preferred, speech } from './language.ts';
import { en } from './messages-en.ts';
import { fr } from './messages-fr.ts';

const placeholders = (text: string): string[] =>
  [...text.matchAll(/\{[a-zA-Z]+\}/g)].map(([found]) => found).toSorted();

describe('languages', () => {
  test('French says everything that English says, with the same things filled in', () => {
    expect(Object.keys(fr).toSorted()).toEqual(Object.keys(en).toSorted());
    for (const [key, text] of Object.entries(en)) {
      expect(`${key}: ${placeholders(fr[key as keyof typeof en]).join()}`).toBe(`${key}: ${placeholders(text).join()}`);
      expect(fr[key as keyof typeof en]).not.toBe('');
    }
  });

  test.each([
    [['fr-CA', 'en'], 'fr'],
    [['de', 'FR'], 'fr'],
    [['de', 'it'], 'en'],
    [[], 'en'],
    [['frr'], 'en'],
  ] as const)('of %j it speaks %s', (wanted, expected) => {
    expect(preferred(wanted)).toBe(expected);
  });

  test('leaves what it does not know, and puts nothing into what was filled in', () => {
    expect(fill('{a} {b} {c}', { a: '{b}', b: 2 }, 'en')).toBe('{b} 2 {c}');
  });

  test('writes numbers as the language does', () => {
    const english = speech('en', en);
    const french = speech('fr', fr);
    expect(english.duration(187_400)).toBe('3:07');
    expect(english.duration(3_723_000)).toBe('1:02:03');
    expect(english.duration(-5)).toBe('0:00');
    expect(english.size(1_440_044)).toBe('1.4 MB');
    expect(english.size(209_715_200)).toBe('209 MB');
    expect(french.size(1_440_044)).toMatch(/^1,4\sMo$/);
    expect(english.count('search.shown', 1)).toBe('1 track shown');
    expect(english.count('search.shown', 0)).toBe('0 tracks shown');
    expect(french.count('search.shown', 0)).toBe('0 titre affiché');
    expect(english.points(-2.5)).toBe('-2.50');
    expect(english.points(3)).toBe('+3.00');
    expect(english.wait(60_000)).toBe('60 seconds');
    expect(english.wait(600_000)).toBe('10 minutes');
  });
});
