import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fillQuery, UnsafePlaceError } from './promql.ts';

const values = {
  arm: 'candidate',
  slot: 'green',
  release: 'rel_1',
  service: 'pay-api',
  environment: 'production',
} as const;

describe('a query', () => {
  it('is filled in within quotes and in names', () => {
    expect(fillQuery(`sign_ups_{slot}{service="{service}",arm='{arm}'} # {release} isn't`, values)).toBe(
      `sign_ups_green{service="pay-api",arm='candidate'} # rel_1 isn't`,
    );
  });

  it('keeps braces that are none of its own, and those that are doubled', () => {
    expect(fillQuery('a{b="{other}"} + {{arm}}', values)).toBe('a{b="{other}"} + {arm}');
  });

  it('takes no value that would be more than a value', () => {
    const hostile = { ...values, release: 'x"} or vector(1) #' };
    expect(fillQuery('a{release="{release}"}', hostile)).toBe(
      String.raw`a{release="x\x22\x7d or vector\x281\x29 \x23"}`,
    );
    expect(() => fillQuery('a_{release}', hostile)).toThrow(UnsafePlaceError);
    expect(() => fillQuery('a{release=`{release}`}', hostile)).toThrow(UnsafePlaceError);
    expect(() => fillQuery('a_{service}', values)).toThrow(/“pay-api” must stand between double quotes/);
  });

  it('is still one text between the same quotes, whatever is filled in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('"', "'"), (release, quote) => {
        const filled = fillQuery(`a{release=${quote}{release}${quote}}`, { ...values, release });
        const inner = filled.slice('a{release='.length + 1, -2);
        expect(filled).toBe(`a{release=${quote}${inner}${quote}}`);
        // Neither quote nor line end nor a backslash that is no escape of ours.
        expect(inner).toMatch(/^(?:[\w.:/ -]|\\x[0-9a-f]{2}|\\U[0-9a-f]{8})*$/);
        const meant = inner.replaceAll(/\\x([0-9a-f]{2})|\\U([0-9a-f]{8})/g, (_, short?: string, long?: string) =>
          String.fromCodePoint(Number.parseInt(short ?? long ?? '', 16)),
        );
        expect(meant).toBe(release);
      }),
    );
  });
});
