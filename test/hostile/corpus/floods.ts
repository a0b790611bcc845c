import { get, line, passed, raw, refused, type HostileCase, type Theme } from '../case.ts';

const rule = 'RFC 9110, 5.4; RFC 6585, 5';

const many = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `X-${at}: a`);

const flood = (name: string, bytes: string, why: string, statuses = [431, 400], source = rule): HostileCase => ({
  name: `flood-${name}`,
  why,
  source,
  bytes,
  expect: refused(...statuses),
});

export const floods: Theme = {
  name: 'floods',
  cases: [
    flood('headers-1000', get(...many(1_000)), 'Headers cost memory and time in every hop.'),
    flood('headers-129', get(...many(128)), 'One header more than the limit.'),
    flood('header-value-20k', get(`X-A: ${'a'.repeat(20_000)}`), 'A value longer than the whole head may be.'),
    flood('header-value-100k', get(`X-A: ${'a'.repeat(100_000)}`), '100,000 bytes of one header.'),
    flood(
      'header-bytes-100k',
      get(...Array.from({ length: 100 }, (_, at) => `X-${at}: ${'a'.repeat(1_000)}`)),
      '100,000 bytes of headers.',
    ),
    flood('header-name-20k', get(`${'X'.repeat(20_000)}: a`), 'A name longer than the whole head may be.'),
    flood('header-name-without-end', raw('GET /hostile HTTP/1.1', 'X'.repeat(40_000)), 'A name that does not end.'),
    flood(
      'same-header-1000',
      get(...Array.from({ length: 1_000 }, () => 'X-A: b')),
      'Lists that are joined again and again cost quadratic time.',
    ),
    flood(
      'cookies-1000',
      get(...Array.from({ length: 1_000 }, () => 'Cookie: a=b')),
      'Cookies are joined; 1,000 of them.',
    ),
    flood(
      'host-20k',
      raw('GET /hostile HTTP/1.1', `Host: ${'a'.repeat(20_000)}`),
      'A host longer than the whole head may be.',
    ),
    flood(
      'connection-options',
      get(`Connection: ${Array.from({ length: 5_000 }, (_, at) => `x-${at}`).join(', ')}`),
      'Options that are compared with each header cost quadratic time.',
    ),
    flood(
      'method-40k',
      line(`${'A'.repeat(40_000)} /hostile HTTP/1.1`),
      'A method that does not end.',
      [400, 414, 431, 501],
    ),
    flood(
      'target-40k',
      line(`GET /${'a'.repeat(40_000)} HTTP/1.1`),
      'A target longer than the whole head may be.',
      [414, 431, 400],
      'RFC 9112, 3; RFC 9110, 15.5.15',
    ),
    flood(
      'target-100k',
      line(`GET /${'a'.repeat(100_000)} HTTP/1.1`),
      'A target of 100,000 bytes.',
      [414, 431, 400],
      'RFC 9110, 15.5.15',
    ),
    flood(
      'query-100k',
      line(`GET /hostile?${'a=b&'.repeat(25_000)} HTTP/1.1`),
      'A query of 100,000 bytes.',
      [414, 431, 400],
      'RFC 9110, 15.5.15',
    ),
    flood('request-line-without-end', 'a'.repeat(60_000), 'A first line that does not end.', [400, 414, 431, 501]),
    flood(
      'empty-lines-10000',
      '\r\n'.repeat(10_000) + get(),
      'An empty line may be skipped, not ten thousand.',
      [400, 431],
      'RFC 9112, 2.2',
    ),
    {
      name: 'flood-below-the-limit',
      why: '100 headers with 10,000 bytes are usual with large cookies and must pass.',
      source: rule,
      bytes: get(...many(98), `Cookie: a=${'b'.repeat(8_000)}`),
      expect: passed({
        headers: [
          ...Array.from({ length: 98 }, (_, at): readonly [string, string] => [`x-${at}`, 'a']),
          ['cookie', `a=${'b'.repeat(8_000)}`],
        ],
      }),
    },
  ],
};
