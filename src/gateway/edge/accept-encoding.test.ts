import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodingFor } from './accept-encoding.ts';

describe('the encoding for a client', () => {
  it.each([
    [null, null],
    ['', null],
    ['gzip', 'gzip'],
    ['x-gzip', 'gzip'],
    ['GZIP', 'gzip'],
    ['gzip, deflate, br', 'br'],
    ['gzip, deflate, br, zstd', 'zstd'],
    ['gzip;q=1.0, br;q=0.5', 'gzip'],
    ['gzip;q=0, br', 'br'],
    ['gzip ; q=0.1 , zstd ; q=0', 'gzip'],
    ['*', 'zstd'],
    ['*;q=0.5, gzip', 'gzip'],
    ['zstd;q=0, *', 'br'],
    ['identity', null],
    ['identity, gzip', 'gzip'],
    ['identity;q=1, gzip;q=0.5', null],
    ['identity;q=0, gzip;q=0.1', 'gzip'],
    ['*;q=0', null],
    ['deflate', null],
    ['gzip;q=nonsense', null],
    ['gzip;q=1.5', null],
    ['br;q=0.001', 'br'],
    [',,gzip,', 'gzip'],
  ])('that says %j is %j', (header, encoding) => {
    expect(encodingFor(header)).toBe(encoding);
    expect(encodingFor(header)).toBe(encoding);
  });

  it('is never one that it has not named, whatever it says', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        const encoding = encodingFor(header);
        if (encoding !== null) expect(header.toLowerCase()).toMatch(new RegExp(`${encoding}|\\*`));
      }),
    );
  });
});
