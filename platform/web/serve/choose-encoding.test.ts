import { describe, expect, test } from 'vitest';
import { chooseEncoding, type Encoding } from './choose-encoding.ts';

const all: readonly Encoding[] = ['br', 'gzip'];

describe('choosing the form of a file', () => {
  test.each([
    ['gzip, deflate, br, zstd', all, 'br'],
    ['gzip', all, 'gzip'],
    ['x-gzip', all, 'gzip'],
    ['br;q=0.5, gzip', all, 'gzip'],
    ['br;q=0, *', all, 'gzip'],
    ['*', all, 'br'],
    ['identity', all, 'identity'],
    ['identity, br;q=0.1', all, 'identity'],
    ['br', ['gzip'], 'identity'],
    ['br;q=nonsense', all, 'identity'],
    ['', all, 'identity'],
    [undefined, all, 'identity'],
  ] as const)('%s of %j is %s', (header, available, expected) => {
    expect(chooseEncoding(header, available)).toBe(expected);
  });
});
