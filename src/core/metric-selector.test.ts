import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { parseMetricSelector } from './metric-selector.ts';

describe('a selector of exported series', () => {
  it('is a name, with labels or without', () => {
    expect(parseMetricSelector('payments_total')).toMatchObject({ value: { name: 'payments_total', labels: [] } });
    expect(parseMetricSelector(' a:b { x = "1", y!="2" , } ')).toMatchObject({
      value: {
        name: 'a:b',
        labels: [
          { label: 'x', value: '1', equal: true },
          { label: 'y', value: '2', equal: false },
        ],
      },
    });
    expect(parseMetricSelector('a{}')).toMatchObject({ value: { name: 'a', labels: [] } });
  });

  it('has values with quotes, backslashes, braces and line ends in them', () => {
    expect(parseMetricSelector(String.raw`a{x="\"}\\\n,"}`)).toMatchObject({
      value: { labels: [{ label: 'x', value: '"}\\\n,', equal: true }] },
    });
  });

  test.each([
    '',
    '{}',
    '9a',
    'a b',
    'a{',
    'a}',
    'a{x}',
    'a{x=1}',
    'a{x="1}',
    'a{x="1"',
    'a{x="1" y="2"}',
    'a{,}',
    'a{x="1"} b',
    'a{x="1"}}',
    'sum(a)',
    'a[5m]',
    String.raw`a{x="\q"}`,
  ])('is not this: %s', (text) => {
    expect(parseMetricSelector(text)).toMatchObject({ ok: false, expected: expect.stringContaining('payments_total') });
  });

  it('says that expressions are not understood, rather than that all is wrong', () => {
    expect(parseMetricSelector('a{x=~"1.*"}')).toMatchObject({ expected: expect.stringContaining('by = and != only') });
  });

  it('is read back as it was meant, whatever the values are', () => {
    const label = fc.record({
      label: fc.stringMatching(/^[a-z_]\w{0,8}$/),
      value: fc.string({ unit: 'binary' }),
      equal: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(label, { maxLength: 4 }), (labels) => {
        const written = labels.map(({ label: name, value, equal }) => {
          const escaped = value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
          return `${name}${equal ? '=' : '!='}"${escaped}"`;
        });
        expect(parseMetricSelector(`m{${written.join(',')}}`)).toEqual({ ok: true, value: { name: 'm', labels } });
      }),
    );
  });

  it('never throws', () => {
    const unit = fc.constantFrom('a', '_', '{', '}', '=', '"', '\\', '\n', '!', '~', ',', ' ', '1');
    fc.assert(fc.property(fc.string({ unit }), (text) => void parseMetricSelector(text)));
  });
});
