import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { parseExposition } from './text-format.ts';

/** The samples as `[name, labels, value]`, or the line that is wrong. */
function read(text: string): unknown {
  const exposition = parseExposition(text);
  return exposition.ok
    ? exposition.samples.map(({ name, labels, value }) => [name, Object.fromEntries(labels), value])
    : exposition.line;
}

describe('Prometheus text', () => {
  it('is read as the documentation of the format has it', () => {
    const text = String.raw`# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045

# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423
`;
    expect(read(text)).toEqual([
      ['http_requests_total', { method: 'post', code: '200' }, 1027],
      ['http_requests_total', { method: 'post', code: '400' }, 3],
      [
        'msdos_file_access_time_seconds',
        { path: 'C:\\DIR\\FILE.TXT', error: 'Cannot find file:\n"FILE.TXT"' },
        1.458255915e9,
      ],
      ['metric_without_timestamp_and_labels', {}, 12.47],
      ['something_weird', { problem: 'division by zero' }, Number.POSITIVE_INFINITY],
      ['http_request_duration_seconds_bucket', { le: '0.05' }, 24054],
      ['http_request_duration_seconds_bucket', { le: '+Inf' }, 144320],
      ['http_request_duration_seconds_sum', {}, 53423],
    ]);
  });

  it('may be OpenMetrics: exemplars, fractions of seconds, an end behind which nothing follows', () => {
    expect(read('a_total{x="#"} 17.0 1520879607.789 # {trace_id="KOO5S4vxi0o"} 0.67 1520879607.1\n# EOF\n')).toEqual([
      ['a_total', { x: '#' }, 17],
    ]);
    expect(read('a_total 17 # {} 1\n# EOF')).toEqual([['a_total', {}, 17]]);
    expect(read('# EOF\na_total 1\n')).toBe(2);
  });

  it('needs no blanks where braces say it, takes tabs, Windows line ends and a trailing comma', () => {
    expect(read('a{x="1",}2\r\n\t b \t{ y = "z" } \t NaN\r\n')).toEqual([
      ['a', { x: '1' }, 2],
      ['b', { y: 'z' }, Number.NaN],
    ]);
  });

  test.each([
    '<html>',
    'a',
    'a 1 2 3',
    'a{x="1"',
    'a{x="1} 1',
    'a{x=1} 1',
    'a{"x"="1"} 1',
    'a{x="1" y="2"} 1',
    'a{x="1",x="2"} 1',
    'a{,} 1',
    'a1.5',
    'a one',
    'a 0x10',
    'a 1e',
    'a 1_000',
    'a 1 soon',
    'a 1 # exemplar',
    'a 1 # {x="1"}',
    '{x="1"} 1',
    'ä 1',
  ])('is not this: %s', (line) => {
    expect(read(`good 1\n${line}\n`)).toBe(2);
  });

  it('is read back as it was meant, whatever stands in it', () => {
    const name = fc.stringMatching(/^[a-zA-Z_:][a-zA-Z0-9_:]{0,10}$/);
    const labels = fc.dictionary(fc.stringMatching(/^[a-z_][a-z0-9_]{0,6}$/), fc.string({ unit: 'binary' }), {
      maxKeys: 4,
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(name, labels, fc.double()), { maxLength: 10 }), (samples) => {
        const lines = samples.map(([metric, set, value]) => {
          const pairs = Object.entries(set).map(
            ([key, text]) => `${key}="${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`,
          );
          return `${metric}{${pairs.join(',')}} ${String(value).replace('Infinity', 'Inf')}`;
        });
        const found = read(`${lines.join('\n')}\n`);
        // Zero has no sign in text.
        expect(found).toEqual(samples.map(([metric, set, value]) => [metric, { ...set }, value === 0 ? 0 : value]));
      }),
    );
  });

  it('never throws, and is never read in part', () => {
    const pieces = fc.constantFrom(
      'a',
      '_total',
      '{',
      '}',
      '="',
      '"',
      '\\',
      ',',
      ' ',
      '1',
      '.5',
      'NaN',
      '# ',
      '#',
      'EOF',
      '\n',
      '\r',
      '\0',
      'é',
      '"}',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
        const text = parts.join('');
        const exposition = parseExposition(text);
        const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.trim().startsWith('#'));
        if (exposition.ok) expect(exposition.samples.length).toBe(lines.length);
        else expect(exposition.line).toBeGreaterThan(0);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is read in time that grows with its length alone', () => {
    for (const hostile of [
      `a{x="${'\\'.repeat(500_000)}`,
      `a{${'x="1",'.repeat(100_000)}`,
      `${' '.repeat(900_000)}a`,
      'a{'.repeat(400_000),
    ]) {
      const begun = performance.now();
      expect(read(hostile)).toBe(1);
      expect(performance.now() - begun).toBeLessThan(2_000);
    }
  });
});
