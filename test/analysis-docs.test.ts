import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ANALYSIS_WORDS, settingsOf, type AnalysisSettings } from '../src/core/analysis/settings.ts';
import { play, settings } from '../src/core/analysis/testing/story.ts';

const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'analysis.md'), 'utf8');

/** Cells of the rows of a table that begins with these words. */
function tableOf(heading: string): readonly (readonly string[])[] {
  const rows =
    page
      .slice(page.indexOf(`| ${heading}`))
      .split('\n\n')[0]
      ?.split('\n')
      .slice(2) ?? [];
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('docs/analysis.md', () => {
  test('says of each word how rare a false alarm is', () => {
    const said = tableOf('word').map(([word, rare]) => [word, Number(rare?.replace(/[^\d]/g, ''))]);
    expect(said).toEqual(ANALYSIS_WORDS.map((word) => [`\`${word}\``, Math.round(1 / settingsOf(word).alpha)]));
  });

  test('says of each word what its numbers are', () => {
    const numbers: readonly ((one: AnalysisSettings) => number)[] = [
      ({ alpha }) => alpha,
      ({ beta }) => beta,
      ({ delta }) => 1 + delta,
      ({ allowance }) => allowance,
      ({ margin }) => margin,
      ({ slower }) => slower,
      ({ bakeSeconds }) => bakeSeconds,
      ({ minRequests }) => minRequests,
      ({ minErrors }) => minErrors,
      ({ warmUpSeconds }) => warmUpSeconds,
      ({ latencyWarmUpSeconds }) => latencyWarmUpSeconds,
      ({ horizonSeconds }) => horizonSeconds,
    ];
    const said = tableOf('number').map((cells) => cells.slice(1, 4).map(Number));
    expect(said).toEqual(numbers.map((of) => ANALYSIS_WORDS.map((word) => of(settingsOf(word)))));
  });

  test.each(ANALYSIS_WORDS)('says how long "%s" needs for a fault of 5 in 100, as it is when it is played', (word) => {
    const cells = tableOf('word').find(([name]) => name === `\`${word}\``) ?? [];
    [10, 100, 400].forEach((requests, index) => {
      const [, median, most] = /(\d+) s \((\d+) s\)/.exec(cells[index + 2] ?? '') ?? [];
      const found = Array.from({ length: 201 }, (_, seed) => {
        const story = { requests, candidate: () => 0.05, past: 5, settings: settings(settingsOf(word)) };
        return play(story, 5_000 + seed).worseAt ?? Infinity;
      }).sort((a, b) => a - b);
      const at = (share: number): number => found[Math.floor(share * found.length)] ?? Infinity;
      expect(Math.abs(at(0.5) - Number(median))).toBeLessThanOrEqual(1 + 0.1 * Number(median));
      expect(Math.abs(at(0.95) - Number(most))).toBeLessThanOrEqual(1 + 0.1 * Number(most));
    });
  });
});
