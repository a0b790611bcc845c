import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PATHS, pathTo, placeOf, type PageName } from './paths.ts';

describe('paths of pages', () => {
  test('every page is found at the path that leads to it, whatever its parameters are', () => {
    const pages = fc.constantFrom(...(Object.keys(PATHS) as PageName[]));
    fc.assert(
      fc.property(pages, fc.string({ minLength: 1, unit: 'grapheme' }), (page, value) => {
        // What cannot be written as UTF-8 cannot be in a path.
        fc.pre(value.isWellFormed());
        const place = placeOf(pathTo(page, { id: value, room: value }));
        expect(place?.page).toBe(page);
        for (const found of Object.values(place?.parameters ?? {})) expect(found).toBe(value);
      }),
    );
  });

  test.each(['/nowhere', '/track', '/track/', '/track/a/b', '/%zz', '/track/%zz', '', '//'])(
    '%j is no page',
    (path) => {
      expect(placeOf(path)).toBeNull();
    },
  );

  test('forgives one slash at the end', () => {
    expect(placeOf('/search/')).toEqual({ page: 'search', parameters: {} });
  });
});
