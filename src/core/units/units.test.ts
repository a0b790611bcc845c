import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatListenAddress, parseListenAddress } from './address.ts';
import { formatDigest, parseDigest } from './digest.ts';
import { formatDuration, parseDuration } from './duration.ts';
import { parseHostPattern } from './host.ts';
import { parseName } from './name.ts';
import type { Parsed } from './parsed.ts';
import { parseFolder, parsePathPrefix, parseUrlPath } from './path.ts';
import { formatPercent, parsePercent } from './percent.ts';
import { formatPortRange, parsePort, parsePortRange } from './port.ts';
import type { Digest } from './quantities.ts';
import { formatSize, parseSize } from './size.ts';

const valueOf = <T>(result: Parsed<T>): T | string => (result.ok ? result.value : `expected ${result.expected}`);
const suggestionOf = <T>(result: Parsed<T>): string | null => (result.ok ? 'nothing is wrong' : result.suggestion);

const PARSERS = [
  parseDuration,
  parseSize,
  parsePercent,
  parsePort,
  parsePortRange,
  parseListenAddress,
  parseHostPattern,
  parseDigest,
  parseName,
  parseUrlPath,
  parsePathPrefix,
  parseFolder,
] as const;

describe('every parser', () => {
  test('answers anything, and what it suggests it accepts itself', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PARSERS), fc.oneof(fc.anything(), fc.string(), nearMisses), (parse, input) => {
        const result: Parsed<unknown> = parse(input);
        if (result.ok) return;
        expect(result.expected).not.toBe('');
        if (result.suggestion === null) return;
        expect(parse(result.suggestion).ok).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });
});

const nearMisses = fc.constantFrom(
  '5',
  '5 m',
  '5min',
  '30 SECONDS',
  '1.5 GB',
  '256Mi',
  '256m',
  '10 %',
  '101%',
  '80-',
  '90-80',
  '80 - 90',
  '8080',
  'http://a.b/',
  'HTTP://A.example:80/x',
  'My Name',
  '9lives',
  'a_b',
  '-a',
  'sha256:AB',
  'ABC'.repeat(30),
  '//x',
  'a/b',
  'x?y',
  '/a//b',
  '..',
  '/a/*',
);

describe('durations', () => {
  test.each([
    ['0s', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1d', 86_400_000],
  ])('%s is %d ms', (text, ms) => {
    expect(valueOf(parseDuration(text))).toBe(ms);
  });

  test.each(['', '5', 's', '5 s', '-5s', '30m1h', '5s5s', '5x', '1e3s', '٣s', 5, null])('%j is refused', (input) => {
    expect(valueOf(parseDuration(input))).toContain('expected a duration with its unit');
  });

  test.each([
    ['5 minutes', '5m'],
    ['30sec', '30s'],
    ['250 msec', '250ms'],
    ['2 Hours', '2h'],
    [30, '30s'],
    [1_500, '1500ms'],
    ['soon', null],
  ])('%j: did you mean %s?', (input, suggestion) => {
    expect(suggestionOf(parseDuration(input))).toBe(suggestion);
  });

  test('what is written is read back', () => {
    fc.assert(
      fc.property(fc.nat(100 * 86_400_000), (ms) => {
        expect(valueOf(parseDuration(formatDuration(ms)))).toBe(ms);
      }),
    );
  });
});

describe('sizes', () => {
  test.each([
    ['0B', 0],
    ['1kB', 1_000],
    ['1KB', 1_000],
    ['1KiB', 1_024],
    ['256MB', 256_000_000],
    ['1GiB', 1_073_741_824],
    ['1.5GB', 1_500_000_000],
    ['0.1GB', 100_000_000],
  ])('%s is %d bytes', (text, bytes) => {
    expect(valueOf(parseSize(text))).toBe(bytes);
  });

  test.each(['', '256', '1.5B', '1GIB', '-1MB', '1 MB', '99999999999TB', 256, {}])('%j is refused', (input) => {
    expect(valueOf(parseSize(input))).toContain('expected a size with its unit');
  });

  test.each([
    ['512Mi', '512MiB'],
    ['512M', '512MB'],
    ['512 mb', '512MB'],
    [1_048_576, '1MiB'],
    ['big', null],
  ])('%j: did you mean %s?', (input, suggestion) => {
    expect(suggestionOf(parseSize(input))).toBe(suggestion);
  });

  test('what is written is read back', () => {
    const sizes = fc.oneof(
      fc.nat(2 ** 40),
      fc.nat(1_000).map((n) => n * 1024 ** 3),
      fc.nat(1_000).map((n) => n * 1000 ** 3),
    );
    fc.assert(
      fc.property(sizes, (bytes) => {
        expect(valueOf(parseSize(formatSize(bytes)))).toBe(bytes);
      }),
    );
  });
});

describe('percentages', () => {
  test.each([
    [5, 5],
    ['5%', 5],
    ['99.9%', 99.9],
    [0.5, 0.5],
    [0, 0],
    [-0, 0],
    ['100%', 100],
  ])('%j is %d', (input, percent) => {
    expect(valueOf(parsePercent(input))).toBe(percent);
  });

  test.each([-1, 100.1, Number.NaN, Infinity, '101%', '-1%', '5', '', '5 %', true])('%j is refused', (input) => {
    expect(valueOf(parsePercent(input))).toContain('expected a percentage');
  });

  test('what is written is read back', () => {
    const percents = fc.integer({ min: 0, max: 10_000 }).map((n) => n / 100);
    fc.assert(
      fc.property(percents, (percent) => {
        expect(valueOf(parsePercent(formatPercent(percent)))).toBe(percent);
      }),
    );
  });
});

describe('ports', () => {
  const ports = fc.integer({ min: 1, max: 65_535 });

  test.each([0, 65_536, -1, 80.5, '0', '65536', 'http', '', '080808', null])('%j is refused', (input) => {
    expect(valueOf(parsePort(input))).toBe('expected a port between 1 and 65535');
  });

  test('numbers and digits are read', () => {
    fc.assert(
      fc.property(ports, (port) => {
        expect(valueOf(parsePort(port))).toBe(port);
        expect(valueOf(parsePort(String(port)))).toBe(port);
      }),
    );
  });

  test('ranges that are written are read back', () => {
    fc.assert(
      fc.property(ports, ports, (a, b) => {
        const range = { from: Math.min(a, b), to: Math.max(a, b) };
        expect(valueOf(parsePortRange(formatPortRange(range)))).toEqual(range);
      }),
    );
  });

  test.each([
    ['42999-42000', '42000-42999'],
    ['42000..42999', '42000-42999'],
    ['42000 - 42999', '42000-42999'],
    ['42000:42999', '42000-42999'],
    ['42000', null],
    ['0-10', null],
    [42_000, null],
  ])('range %j is refused: did you mean %s?', (input, suggestion) => {
    expect(suggestionOf(parsePortRange(input))).toBe(suggestion);
  });
});

describe('listen addresses', () => {
  test.each([
    ['127.0.0.1:8080', '127.0.0.1', 8_080],
    [':8080', '0.0.0.0', 8_080],
    ['[::1]:80', '::1', 80],
    ['[::]:80', '::', 80],
    ['[::ffff:127.0.0.1]:80', '::ffff:127.0.0.1', 80],
    ['localhost:3000', 'localhost', 3_000],
  ])('%s', (text, host, port) => {
    expect(valueOf(parseListenAddress(text))).toEqual({ host, port });
  });

  test.each([
    '',
    '8080',
    '127.0.0.1',
    '::1:80',
    '[1.2.3]:80',
    '[:::1]:80',
    '[1::2::3]:80',
    '256.0.0.1:80',
    '1.2.3:80',
    'a b:80',
    ':0',
    ':99999',
    'http://x:1',
    'a-:80',
  ])('%j is refused', (input) => {
    expect(valueOf(parseListenAddress(input))).toContain('expected an address to listen on');
  });

  test('what is written is read back', () => {
    const hosts = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
    fc.assert(
      fc.property(hosts, fc.integer({ min: 1, max: 65_535 }), (host, port) => {
        expect(valueOf(parseListenAddress(formatListenAddress({ host, port })))).toEqual({ host, port });
      }),
    );
  });
});

describe('hosts', () => {
  test.each(['localhost', 'example.com', '*.example.com', 'a-b.c1.example', 'xn--bcher-kva.example'])(
    '%s is one',
    (text) => {
      expect(valueOf(parseHostPattern(text))).toBe(text);
    },
  );

  test.each([
    '',
    '*',
    'a.*.example.com',
    '*.',
    'Example.com',
    'a..b',
    '-a.b',
    'a-.b',
    'bücher.example',
    'a.b:80',
    `${'a'.repeat(64)}.b`,
    5,
  ])('%j is none', (input) => {
    expect(valueOf(parseHostPattern(input))).toContain('expected a host name in lower case');
  });

  test.each([
    ['https://Example.com:8080/x', 'example.com'],
    ['my_host.example', 'my-host.example'],
    ['*.Example.com.', '*.example.com'],
  ])('%s: did you mean %s?', (input, suggestion) => {
    expect(suggestionOf(parseHostPattern(input))).toBe(suggestion);
  });
});

describe('digests', () => {
  const digits = 'a1'.repeat(32);

  test('sha256 in lower case is read, and shown in short', () => {
    expect(valueOf(parseDigest(`sha256:${digits}`))).toBe(`sha256:${digits}`);
    expect(formatDigest(`sha256:${digits}` as Digest)).toBe('a1a1a1a1a1a1');
  });

  test.each([digits, `SHA256:${digits}`, `sha256:${digits.toUpperCase()}`])(
    '%s is refused, with the right one',
    (input) => {
      expect(suggestionOf(parseDigest(input))).toBe(`sha256:${digits}`);
    },
  );

  test.each(['', 'latest', `sha256:${digits}0`, `sha512:${digits}`, null])('%j is refused', (input) => {
    expect(suggestionOf(parseDigest(input))).toBeNull();
  });
});

describe('names', () => {
  test.each(['a', 'api', 'api-2', `a${'b'.repeat(30)}`])('%s is one', (text) => {
    expect(valueOf(parseName(text))).toBe(text);
  });

  test.each([
    ['', null],
    ['API', 'api'],
    ['apiServer', 'api-server'],
    ['api_server', 'api-server'],
    ['2fast', 'fast'],
    ['a'.repeat(40), 'a'.repeat(31)],
    ['../../etc', 'etc'],
    [7, null],
  ])('%j is none: did you mean %s?', (input, suggestion) => {
    expect(suggestionOf(parseName(input))).toBe(suggestion);
  });
});

describe('paths', () => {
  test('requests have a path, perhaps with a query', () => {
    expect(valueOf(parseUrlPath('/health?deep=1'))).toBe('/health?deep=1');
    expect(valueOf(parseUrlPath('/a#b'))).toContain('expected a path');
    expect(valueOf(parseUrlPath('/a b'))).toContain('expected a path');
    expect(valueOf(parseUrlPath('/a\r\nX: y'))).toContain('expected a path');
    expect(suggestionOf(parseUrlPath('http://localhost:3000/health'))).toBe('/health');
  });

  test('prefixes of routes lose the slash at their end', () => {
    expect(valueOf(parsePathPrefix('/'))).toBe('/');
    expect(valueOf(parsePathPrefix('/api/'))).toBe('/api');
    expect(suggestionOf(parsePathPrefix('/api//v1'))).toBe('/api/v1');
    expect(suggestionOf(parsePathPrefix('/api/*'))).toBe('/api/');
  });

  test.each([
    ['.', '.'],
    ['./', '.'],
    ['./services/api/', 'services/api'],
    ['a/../b', 'b'],
    ['a/./b', 'a/b'],
  ])('folder %s is %s', (input, folder) => {
    expect(valueOf(parseFolder(input))).toBe(folder);
  });

  test.each(['', '/abs', '..', 'a/../..', '../a', 'C:\\x', 'a\\b', 'a\0b', 3])('folder %j is refused', (input) => {
    expect(valueOf(parseFolder(input))).toContain('expected a folder relative to this one');
  });

  test('a folder never leaves the one it is relative to', () => {
    const parts = fc.array(fc.constantFrom('..', '.', 'a', 'b', ''), { maxLength: 8 }).map((list) => list.join('/'));
    fc.assert(
      fc.property(parts, (input) => {
        const result = parseFolder(input);
        if (result.ok) expect(result.value).not.toMatch(/(^|\/)\.\.(\/|$)|^\//);
      }),
    );
  });
});
