import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatLicence, type LicenceExpression, parseLicence } from './licence-expression.ts';
import { checkLicences, DEFAULT_LICENCES, judgeLicence } from './licences.ts';

const verdict = (text: string): string | null => {
  const expression = parseLicence(text);
  return expression === null ? null : judgeLicence(expression, DEFAULT_LICENCES);
};

describe('a licence expression', () => {
  it.each([
    ['MIT', 'allowed'],
    ['mit', 'allowed'],
    ['GPL-3.0-only', 'denied'],
    ['GPL-2.0+', 'denied'],
    ['AGPL-3.0-or-later', 'denied'],
    ['LGPL-2.1-or-later', 'allowed'],
    ['MIT OR GPL-3.0-only', 'allowed'],
    ['MIT AND GPL-3.0-only', 'denied'],
    ['MIT AND Something-1.0', 'unknown'],
    ['(MIT OR GPL-2.0) AND Apache-2.0', 'allowed'],
    ['MIT OR GPL-2.0 AND GPL-3.0', 'allowed'],
    ['GPL-2.0 AND GPL-3.0 OR MIT', 'allowed'],
    ['GPL-2.0 AND (GPL-3.0 OR MIT)', 'denied'],
    ['GPL-2.0-only WITH Classpath-exception-2.0', 'allowed'],
    ['GPL-2.0-only WITH Whatever-exception', 'denied'],
    ['LicenseRef-ours', 'unknown'],
    ['', null],
    ['SEE LICENSE IN LICENSE', null],
    ['MIT OR', null],
    ['(MIT', null],
    ['MIT)', null],
    ['OR MIT', null],
    ['MIT WITH', null],
    ['MIT/X11 and more', null],
    ['('.repeat(1000), null],
  ])('%s is %s', (text, expected) => {
    expect(verdict(text)).toBe(expected);
  });

  const licence = fc.record({
    kind: fc.constant('licence' as const),
    id: fc.constantFrom('MIT', 'Apache-2.0', 'GPL-3.0', 'LicenseRef-a.b', 'DocumentRef-x:LicenseRef-y'),
    orLater: fc.boolean(),
    exception: fc.option(fc.constantFrom('Classpath-exception-2.0', 'LLVM-exception')),
  });
  const expression = fc.letrec<{ any: LicenceExpression }>((tie) => ({
    any: fc.oneof(
      { maxDepth: 5 },
      licence,
      fc.record({ kind: fc.constantFrom('and' as const, 'or' as const), left: tie('any'), right: tie('any') }),
    ),
  })).any;

  it('is read as it was written', () => {
    fc.assert(
      fc.property(expression, (one) => {
        expect(parseLicence(formatLicence(one))).toEqual(one);
      }),
    );
  });
  it('is better with another choice and worse with another condition', () => {
    const rank = (one: LicenceExpression): number =>
      ['denied', 'unknown', 'allowed'].indexOf(judgeLicence(one, DEFAULT_LICENCES));
    fc.assert(
      fc.property(expression, expression, (left, right) => {
        expect(rank({ kind: 'or', left, right })).toBeGreaterThanOrEqual(rank(left));
        expect(rank({ kind: 'and', left, right })).toBeLessThanOrEqual(rank(left));
      }),
    );
  });
  it('never fails on any text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('(', ')', ' ', 'MIT', ' AND ', ' OR ', ' WITH ', '+', 'é') }),
        (text) => void parseLicence(text),
      ),
    );
  });
});

describe('licences of packages', () => {
  const component = (licence: string | null, ecosystem = 'npm') => ({
    ecosystem,
    name: 'x',
    version: '1.0.0',
    licence,
    where: '/x',
  });
  it('refuse what is denied and warn of what is not known', () => {
    const rules = checkLicences(
      [component('AGPL-3.0'), component(null), component('Odd-1.0'), component('MIT/Apache-2.0')],
      DEFAULT_LICENCES,
    );
    expect(rules.map(({ rule }) => rule)).toEqual(['licence', 'licence-unknown', 'licence-unknown']);
  });
  it("leave the system's own programs alone", () => {
    expect(checkLicences([component('GPL-3.0', 'Debian')], DEFAULT_LICENCES)).toEqual([]);
  });
});
