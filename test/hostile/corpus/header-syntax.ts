import { get, passed, raw, refused, type HostileCase, type Theme } from '../case.ts';

const nameRule = 'RFC 9110, 5.1 and 5.6.2';
const valueRule = 'RFC 9110, 5.5';

const bad = (name: string, header: string, why: string, source: string): HostileCase => ({
  name: `header-${name}`,
  why,
  source,
  bytes: get(header),
  expect: refused(400),
});

/** Characters that no name may hold. */
const inNames: readonly (readonly [string, string])[] = [
  ['space', ' '],
  ['tab', '\t'],
  ['nul', '\x00'],
  ['bell', '\x07'],
  ['escape', '\x1b'],
  ['delete', '\x7f'],
  ['parenthesis', '('],
  ['comma', ','],
  ['slash', '/'],
  ['semicolon', ';'],
  ['less-than', '<'],
  ['equals', '='],
  ['question-mark', '?'],
  ['at', '@'],
  ['bracket', '['],
  ['backslash', '\\'],
  ['brace', '{'],
  ['quote', '"'],
  ['byte-80', '\x80'],
  ['byte-ff', '\xff'],
  ['umlaut', '\xc3\xbc'],
];

/** Characters that no value may hold. */
const inValues: readonly (readonly [string, string])[] = [
  ['nul', '\x00'],
  ['start-of-heading', '\x01'],
  ['bell', '\x07'],
  ['backspace', '\x08'],
  ['vertical-tab', '\x0b'],
  ['form-feed', '\x0c'],
  ['escape', '\x1b'],
  ['unit-separator', '\x1f'],
  ['delete', '\x7f'],
];

export const headerSyntax: Theme = {
  name: 'header syntax',
  cases: [
    ...inNames.map(([name, character]) =>
      bad(
        `name-with-${name}`,
        `X-A${character}B: c`,
        'Not a token: dropped, cut or renamed by readers in different ways.',
        nameRule,
      ),
    ),
    ...inValues.map(([name, character]) =>
      bad(
        `value-with-${name}`,
        `X-A: b${character}c`,
        'A control character that C strings, logs and terminals take for more than it is.',
        valueRule,
      ),
    ),
    bad(
      'space-before-colon',
      'X-A : b',
      'White space before the colon was read in two ways for years; must be refused.',
      'RFC 9112, 5.1',
    ),
    bad('tab-before-colon', 'X-A\t: b', 'White space before the colon.', 'RFC 9112, 5.1'),
    bad('without-colon', 'X-A', 'A line without colon: dropped, or part of the line before.', 'RFC 9112, 5'),
    bad('without-name', ': b', 'A header needs a name.', nameRule),
    bad('only-colon', ':', 'A header needs a name.', nameRule),
    bad(
      'space-only-line',
      ' ',
      'A line of white space: the end of the head for some, folding for others.',
      'RFC 9112, 5.2',
    ),
    bad('tab-only-line', '\t', 'A line of white space.', 'RFC 9112, 5.2'),
    bad('folded', 'X-A: b\r\n c', 'Obsolete line folding: one header or two.', 'RFC 9112, 5.2'),
    bad('folded-with-tab', 'X-A: b\r\n\tc', 'Obsolete line folding with a tab.', 'RFC 9112, 5.2'),
    bad('folded-empty', 'X-A: b\r\n ', 'A folded line with nothing in it.', 'RFC 9112, 5.2'),
    bad('folded-host', 'X-A: b\r\n Host: b.test', 'A second Host hidden in a fold.', 'RFC 9112, 5.2'),
    {
      name: 'header-folded-first-line',
      why: 'White space between the request line and the first header: it must be refused or its line ignored.',
      source: 'RFC 9112, 2.2',
      bytes: raw('GET /hostile HTTP/1.1', ' Host: b.test', 'Host: a.test'),
      expect: refused(400),
    },
    {
      name: 'header-empty-value',
      why: 'An empty value is a value.',
      source: valueRule,
      bytes: get('X-A:'),
      expect: passed({ headers: [['x-a', '']] }),
    },
    {
      name: 'header-tab-inside-value',
      why: 'A tab may stand between words.',
      source: valueRule,
      bytes: get('X-A: b\tc'),
      expect: passed({ headers: [['x-a', 'b\tc']] }),
    },
    {
      name: 'header-obs-text',
      why: 'Bytes above 7f may not be interpreted, and must arrive as they are.',
      source: valueRule,
      bytes: get('X-A: caf\xc3\xa9 \xff\x80'),
      expect: passed({ headers: [['x-a', 'caf\xc3\xa9 \xff\x80']] }),
    },
    {
      name: 'header-colons-in-value',
      why: 'The first colon ends the name, the others are value.',
      source: 'RFC 9112, 5',
      bytes: get('X-A: b: c:: d'),
      expect: passed({ headers: [['x-a', 'b: c:: d']] }),
    },
    {
      name: 'header-all-token-characters',
      why: 'Odd but allowed names must arrive, not be dropped.',
      source: nameRule,
      bytes: get("!#$%&'*+-.^_`|~0aZ: b"),
      expect: passed({ headers: [["!#$%&'*+-.^_`|~0az", 'b']] }),
    },
    {
      name: 'header-repeated',
      why: 'Repeated headers arrive in their order.',
      source: 'RFC 9110, 5.3',
      bytes: get('X-A: b', 'X-B: x', 'X-A: c'),
      expect: passed({
        headers: [
          ['x-a', 'b'],
          ['x-a', 'c'],
          ['x-b', 'x'],
        ],
      }),
    },
    {
      name: 'header-looks-like-a-number',
      why: 'Names like array indices and object members must not be special.',
      source: 'prototype pollution class; CWE-1321',
      bytes: get('0: a', '__proto__: b', 'constructor: c', 'toString: d', 'hasOwnProperty: e'),
      expect: passed({
        headers: [
          ['0', 'a'],
          ['__proto__', 'b'],
          ['constructor', 'c'],
          ['hasownproperty', 'e'],
          ['tostring', 'd'],
        ],
      }),
    },
    {
      name: 'header-spoofs-what-the-router-says',
      why: 'A user must not say where he came from or which arm he takes.',
      source: 'docs/gateway.md; CWE-290',
      bytes: get(
        'X-Veza-Arm: candidate',
        'X-Veza-Preview: 1',
        'x-veza-anything: 1',
        'X-Forwarded-For: 10.0.0.1',
        'X-Forwarded-Host: evil.test',
        'X-Forwarded-Proto: https',
        'Forwarded: for=10.0.0.1',
      ),
      expect: passed(),
      haproxy: 'The reference has no rules for these headers and passes them on.',
    },
    {
      name: 'header-request-id-with-markup',
      why: 'An id that goes into logs must not carry markup or commands.',
      source: 'CWE-117',
      bytes: get('X-Request-Id: <script>${jndi:ldap://x}</script>'),
      expect: passed(),
    },
    {
      name: 'header-proxy',
      why: 'CGI programs read Proxy as the variable HTTP_PROXY; an instance that is no CGI program gets it as any other.',
      source: 'CVE-2016-5385',
      bytes: get('Proxy: http://evil.test/'),
      expect: passed({ headers: [['proxy', 'http://evil.test/']] }),
    },
  ],
};
