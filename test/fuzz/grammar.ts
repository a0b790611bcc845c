import type { Random } from './random.ts';

// Messages of HTTP/1.1 as an attacker writes them: mostly well formed, so that the parser goes deep, with forms between that
// some program out there reads in another way. All texts are latin1.

const ENDS = ['\r\n', '\n', '\r', '\r\r\n', '\n\r', '\r\n\r\n', '\r\n '] as const;
const GAPS = [' ', '  ', '\t', '', '\u000b', ' \t'] as const;
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'M-SEARCH', 'PURGE'] as const;
const ODD_METHODS = ['get', 'CONNECT', 'FOO', 'PRI', 'GE T', 'G\u0000T', 'A'.repeat(33), '', '"GET"', 'TRACE'] as const;
const TARGETS = ['/', '/a/b?c=d&e', '/%2e%2e/', '/{x}|"y"', '//a/b', '/a?b?c', '/;p=1'] as const;
const ODD_TARGETS = [
  '*',
  'http://a.example/x',
  'HTTPS://b:443?q',
  'http://user@a/',
  'http://a',
  'ftp://a/',
  'a:80',
  '/a#b',
  '/a b',
  '/\u00e9',
  '/\u0000',
  '',
  'a/b',
  'http:///x',
  `/${'a'.repeat(2_500)}`,
  `/${'a'.repeat(9_000)}`,
] as const;
const VERSIONS = ['HTTP/1.1', 'HTTP/1.0'] as const;
const ODD_VERSIONS = [
  'HTTP/2.0',
  'HTTP/1.2',
  'http/1.1',
  'HTTP/1.1 ',
  'HTTP/01.1',
  'HTTP/1.10',
  'HTTP/0.9',
  'HTTP 1.1',
  '',
] as const;
const HOSTS = ['a.example', 'a.example:8080', '[::1]:80', '127.0.0.1', 'under_score'] as const;
const ODD_HOSTS = [
  '',
  'a b',
  'a,b',
  'u@a',
  'a/b',
  'a:',
  'a:99999',
  '[::1',
  'a\u0000',
  '\u00e9',
  'a#',
  'a?b',
  '[fe80::1%251]',
] as const;
const FIELDS = [
  'Accept: */*',
  'User-Agent: fuzz/1.0 (x; y)',
  'Accept-Encoding: gzip, br',
  'Cookie: a=b; c="d"',
  'X-Empty:',
  'X-Latin: caf\u00e9 \u00ff',
  'X-Tab:\t a\tb \t',
  'Connection: keep-alive',
  'Connection: close',
  'Connection: Upgrade, keep-alive',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'Expect: 100-continue',
  'TE: trailers',
  'Trailer: X-Sum',
  'Keep-Alive: timeout=5',
  'X-Made-Up-Name: 1',
  "!#$%&'*+-.^_`|~: token",
] as const;
const ODD_FIELDS = [
  'X-A : b',
  ' X-A: b',
  'X-A: b\r\n folded',
  'X-A: b\r\n\tfolded',
  ': empty',
  'no colon',
  'X\u0000A: b',
  'X-A: b\u0000c',
  'X-A: b\u007f',
  'X-A: b\rc',
  'X-A: b\u000bc',
  'X-A: b\u001fc',
  'X-A: b\nContent-Length: 7',
  'X A: b',
  'X-\u00e9: b',
  'Host: second.example',
  'Content_Length: 3',
  'X_Forwarded_For: 1.2.3.4',
  'Expect: something',
  'Connection: content-length, host',
  'Transfer-Encoding : chunked',
  'X(A): b',
  `X-Long: ${'x'.repeat(3_000)}`,
  `X-Longer: ${'x'.repeat(15_000)}`,
  `${'N'.repeat(3_000)}: x`,
  'X-Many: 1\r\n'.repeat(40),
] as const;
const LENGTHS = [
  '+5',
  '-1',
  '0x5',
  '5, 5',
  '5,5',
  '05',
  '5 ',
  ' 5',
  '',
  '5\u000b',
  '1e1',
  '9007199254740993',
  '99999999999999999999',
  '5;',
  '٥',
] as const;
const CODINGS = [
  'Chunked',
  'CHUNKED',
  'gzip',
  'gzip, chunked',
  'chunked, gzip',
  'chunked, chunked',
  'identity',
  'xchunked',
  'chunked;q=1',
  '"chunked"',
  'chunked\u000b',
  'chunke\u00e4',
  '',
  ' chunked ',
] as const;
const SIZES = [
  '0x5',
  '+5',
  '-5',
  '5 ',
  ' 5',
  '5;',
  '5;a',
  '5;a=b;c="d;\\"e"',
  '5;a=',
  '5 ;a',
  '5;a\n',
  '00000000005',
  'fffffffffffffffff',
  '20000000000000',
  '',
  'g',
  '5;\u0000',
  '5;a="\r\n"',
  `5;${'a'.repeat(300)}`,
] as const;
const TRAILERS = [
  'X-Sum: 1',
  'Content-Length: 5',
  'Transfer-Encoding: chunked',
  'Host: t',
  'X-Veza-Arm: candidate',
  'Bad Name: 1',
  ' X: 1',
  'X: \u0000',
  `X: ${'x'.repeat(9_000)}`,
] as const;
const REASONS = ['OK', '', 'Not So Good', 'caf\u00e9', 'a\u0000', 'a\tb'] as const;
const STATUSES = ['200', '204', '304', '100', '101', '103', '404', '500', '206'] as const;
const ODD_STATUSES = ['99', '600', '20', '2000', '20x', '+20', ''] as const;

export interface Written {
  readonly text: string;
  /** Of the request, for an answer. */
  readonly method: string;
}

const text = (random: Random, most: number): string => {
  let made = '';
  for (let left = random.below(most); left > 0; left -= 1) made += String.fromCharCode(0x20 + random.below(0x5f));
  return made;
};

/** A body in chunks, with an error now and then. */
export function chunkedBody(random: Random): string {
  let made = '';
  for (let left = random.below(4); left > 0; left -= 1) {
    const data = text(random, 20) + (random.percent(10) ? '\r\n0\r\n\r\nGET / HTTP/1.1\r\n' : '');
    if (data === '') continue;
    const right = random.percent(50) ? data.length.toString(16) : data.length.toString(16).toUpperCase();
    const size = random.percent(4)
      ? random.pick(SIZES)
      : right + (random.percent(5) ? `;${random.mostly(['a=b', 'a', 'x="y"', text(random, 30)], 20)}` : '');
    made += size + random.mostly(ENDS, 2) + data + random.mostly(ENDS, 2);
  }
  made += random.mostly(['0', '00', '0;a', '-0', '', '0 '], 5) + random.mostly(ENDS, 2);
  if (random.percent(15)) made += random.pick(TRAILERS) + random.mostly(ENDS, 3);
  return made + random.mostly(ENDS, 2);
}

/** The field section and body of a message: its framing fields say, mostly, how long the body is. */
function rest(random: Random, fields: string[], bodyPercent: number): string {
  for (let left = random.below(6); left > 0; left -= 1)
    fields.push(random.percent(2) ? random.pick(ODD_FIELDS) : random.pick(FIELDS));
  let body = '';
  if (random.percent(bodyPercent)) {
    const chunked = random.percent(50);
    body = chunked ? chunkedBody(random) : text(random, 30);
    if (chunked || random.percent(4))
      fields.push(`Transfer-Encoding: ${random.percent(5) ? random.pick(CODINGS) : 'chunked'}`);
    if (!chunked || random.percent(4))
      fields.push(
        `${random.mostly(['Content-Length', 'content-length', 'CONTENT-LENGTH'], 20)}: ${random.percent(5) ? random.pick(LENGTHS) : body.length}`,
      );
    if (random.percent(2)) fields.push(`Content-Length: ${body.length}`);
  }
  // Framing is not always last.
  if (random.percent(50)) fields.reverse();
  return fields.map((field) => field + random.mostly(ENDS, 1)).join('') + random.mostly(ENDS, 1) + body;
}

/** One request with its body. */
export function request(random: Random): string {
  const method = random.percent(5) ? random.pick(ODD_METHODS) : random.pick(METHODS);
  const target = random.percent(8)
    ? random.pick(ODD_TARGETS)
    : random.percent(50)
      ? random.pick(TARGETS)
      : `/${text(random, 12).replaceAll(' ', '')}`;
  const version = random.percent(3) ? random.pick(ODD_VERSIONS) : random.mostly(VERSIONS, 20);
  const line = method + random.mostly(GAPS, 2) + target + random.mostly(GAPS, 2) + version + random.mostly(ENDS, 1);
  const fields = random.percent(97)
    ? [
        `${random.mostly(['Host', 'host', 'HOST'], 20)}: ${random.percent(4) ? random.pick(ODD_HOSTS) : random.pick(HOSTS)}`,
      ]
    : [];
  return (random.percent(3) ? random.pick(ENDS) : '') + line + rest(random, fields, 50);
}

/** One answer with its body. */
export function answer(random: Random): Written {
  const status = random.percent(4) ? random.pick(ODD_STATUSES) : random.mostly(STATUSES, 40);
  const version = random.percent(3) ? random.pick(ODD_VERSIONS) : random.mostly(VERSIONS, 20);
  const line =
    version +
    random.mostly(GAPS, 1) +
    status +
    random.mostly(GAPS, 2) +
    random.mostly(REASONS, 20) +
    random.mostly(ENDS, 1);
  return { text: line + rest(random, [], 70), method: random.mostly(['GET', 'HEAD', 'POST'], 20) };
}

const BITS = [
  '\r',
  '\n',
  '\r\n',
  '\u0000',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '0',
  '\u007f',
  '\u0080',
  '\u00ff',
  '-',
  '_',
  '=',
  '"',
  '\\',
  '#',
  '\r\n ',
  '\r\n\r\n',
  'chunked',
  'Content-Length: 1\r\n',
  'Transfer-Encoding: chunked\r\n',
  '0\r\n\r\n',
  'Host: b\r\n',
  'GET / HTTP/1.1\r\n',
] as const;

/** The text with some octets put in, taken out, changed, doubled, or cut off. */
export function mutate(random: Random, from: string): string {
  let changed = from;
  for (let left = 1 + random.below(3); left > 0; left -= 1) {
    const at = random.below(changed.length + 1);
    const to = at + random.below(8);
    switch (random.below(6)) {
      case 0:
        changed = changed.slice(0, at) + random.pick(BITS) + changed.slice(at);
        break;
      case 1:
        changed = changed.slice(0, at) + changed.slice(at + 1);
        break;
      case 2:
        changed = changed.slice(0, at) + String.fromCharCode(random.below(256)) + changed.slice(at + 1);
        break;
      case 3:
        changed = changed.slice(0, to) + changed.slice(at);
        break;
      case 4:
        changed = changed.slice(0, at) + changed.slice(to);
        break;
      default:
        if (random.percent(20)) changed = changed.slice(0, at);
    }
  }
  return changed;
}
