import { describe, expect, test } from 'vitest';
import { parsePlatform } from './parse-platform.ts';
import { changed, RIGHT } from './testing/wrong-config.ts';
import { WRONG_CONFIGS } from './testing/wrong-configs.ts';

describe('wrong declarations', () => {
  test('the declaration that the faults are put into has none itself', () => {
    expect(parsePlatform(RIGHT)).toMatchObject({ ok: true, warnings: [] });
  });

  test('there are at least 55 of them, each of another kind', () => {
    expect(new Set(WRONG_CONFIGS.map(({ name }) => name)).size).toBe(WRONG_CONFIGS.length);
    expect(WRONG_CONFIGS.length).toBeGreaterThanOrEqual(55);
  });

  test.each(WRONG_CONFIGS)('$name: one mistake, at $path', ({ change, path, expected, got, suggestion }) => {
    const result = parsePlatform(changed(RIGHT, change));

    expect(result.ok ? [] : result.mistakes).toEqual([
      { path, expected: expect.stringContaining(expected), got, suggestion, message: expect.stringContaining(path) },
    ]);
    const message = result.ok ? '' : result.mistakes[0]?.message;
    expect(message).toContain(expected);
    expect(message).toContain(got);
    if (suggestion !== null) expect(message).toContain(`did you mean \`${suggestion}\`?`);
    expect(message).not.toContain('hunter2');
    expect(message).not.toMatch(/invalid input/i);
  });

  test('all faults at once are all reported', () => {
    // Given every fault whose path is its own and whose change leaves the parents of others alone
    const independent = WRONG_CONFIGS.filter(({ name }) => TOGETHER.includes(name));
    const everything = independent.reduce((base: unknown, { change }) => changed(base, change), RIGHT);

    const result = parsePlatform(everything);

    expect(result.ok ? [] : result.mistakes.map(({ path }) => path).toSorted()).toEqual(
      independent.map(({ path }) => path).toSorted(),
    );
  });
});

const TOGETHER = [
  'unknown section',
  'name with capitals and blanks',
  'misspelt key of a service',
  'no source',
  'run with a pipe',
  'instances as a text',
  'misspelt probe',
  'duration without unit',
  'size as other tools write it',
  'route path without its slash',
  'the same host twice',
  'misspelt dependency',
  'service among resources',
  'misspelt strategy',
  'password in the clear',
  'variable without a value',
  'smoke check with a wrong status',
  'misspelt kind',
  'steps of a blue-green strategy',
  'external resource without a URL',
  'ports the wrong way round',
  'override of an unknown service',
  'approval as a text',
  'environments that require each other',
];
