import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HeadLimits, ParsedRequest, ParseFault } from './message.ts';
import { parseRequestHead } from './parse-request.ts';

const limits: HeadLimits = { maxHeaderBytes: 16_384, maxHeaders: 20 };

const parse = (text: string, given = limits) => {
  const bytes = Buffer.from(text, 'latin1');
  return parseRequestHead(bytes, 0, bytes.length, given);
};

const accepted = (text: string): ParsedRequest => {
  const head = parse(text);
  if (head === null || 'fault' in head) throw new Error(`not taken: ${JSON.stringify(head)}`);
  return head;
};

const refusal = (text: string, given = limits): ParseFault => {
  const head = parse(text, given);
  if (head === null || !('fault' in head)) throw new Error(`not refused: ${JSON.stringify(head)}`);
  return head;
};

/** A request with one Host and these lines. */
const withLines = (...lines: string[]): string => ['POST / HTTP/1.1', 'Host: a', ...lines, '', ''].join('\r\n');
const withLine = (line: string): string => `${line}\r\nHost: a\r\n\r\n`;

describe('the head of a request', () => {
  it('is its method, target, version and fields, and ends behind the empty line', () => {
    const text = 'GET /a?b=c HTTP/1.1\r\nHost: shop.example:8080\r\nX-Thing: \t one two \t\r\nx-empty:\r\n\r\n';
    expect(accepted(`${text}rest`)).toEqual({
      method: 'GET',
      target: '/a?b=c',
      version: '1.1',
      headers: ['Host', 'shop.example:8080', 'X-Thing', 'one two', 'x-empty', ''],
      names: ['host', 'x-thing', 'x-empty'],
      body: { kind: 'none' },
      expectsContinue: false,
      upgrade: null,
      keepAlive: true,
      end: text.length,
    });
  });

  it('may follow one empty line, as old clients send behind a body', () => {
    expect(accepted(`\r\n${withLines()}`).method).toBe('POST');
    expect(refusal(`\r\n\r\n${withLines()}`).status).toBe(400);
  });

  it('keeps the octets of its values that are not ASCII', () => {
    expect(accepted(withLines('X-Name: caf\u00e9\u00ff')).headers).toContain('caf\u00e9\u00ff');
  });

  it.each(['__proto__', 'constructor', '123', 'x_y', '0'])(
    'may have a field %j like any other, again and again',
    (name) => {
      for (let times = 0; times < 3; times += 1) {
        expect(accepted(withLines(`${name}: 1`))).toMatchObject({
          headers: ['Host', 'a', name, '1'],
          names: ['host', name],
        });
      }
    },
  );

  it('is looked for between the two offsets only', () => {
    const text = withLines();
    const bytes = Buffer.from(`xx${text}\r\n\r\n`, 'latin1');
    expect(parseRequestHead(bytes, 2, 2 + text.length, limits)).toMatchObject({ end: 2 + text.length });
    expect(parseRequestHead(bytes, 2, 1 + text.length, limits)).toBeNull();
  });

  it.each([
    ['without a length has no body', [], { kind: 'none' }],
    ['has the length it says', ['Content-Length: 12'], { kind: 'length', bytes: 12 }],
    ['may say that its body is empty', ['Content-Length: 0'], { kind: 'length', bytes: 0 }],
    [
      'may have the longest body there is',
      ['Content-Length: 9007199254740991'],
      { kind: 'length', bytes: 2 ** 53 - 1 },
    ],
    ['may be chunked, however that is written', ['transfer-encoding:\tChunked '], { kind: 'open' }],
  ])('%s', (_, lines, body) => {
    expect(accepted(withLines(...lines)).body).toEqual(body);
  });

  it('of a GET has a body when it says so', () => {
    expect(accepted('GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n').body).toEqual({
      kind: 'length',
      bytes: 3,
    });
  });

  it.each([
    ['1.1', [], true],
    ['1.1', ['Connection: close'], false],
    ['1.1', ['Connection: x, CLOSE ,y'], false],
    ['1.1', ['Connection: keep-alive', 'Connection: close'], false],
    ['1.0', [], false],
    ['1.0', ['Connection: Keep-Alive'], true],
    ['1.0', ['Connection: keep-alive, close'], false],
  ])('of HTTP/%s with %j keeps its connection: %s', (version, lines, keepAlive) => {
    expect(accepted([`GET / HTTP/${version}`, 'Host: a', ...lines, '', ''].join('\r\n')).keepAlive).toBe(keepAlive);
  });

  it.each([
    [['Upgrade: websocket', 'Connection: keep-alive, Upgrade'], 'websocket'],
    [['Upgrade: a/1, b', 'Connection: upgrade'], 'a/1, b'],
    [['Upgrade: websocket', 'Connection: upgrade', 'Content-Length: 0'], 'websocket'],
    [['Upgrade: websocket'], null],
    [['Connection: upgrade'], null],
    [['Upgrade: websocket', 'Connection: upgrade', 'Content-Length: 1'], null],
    [['Upgrade: websocket', 'Connection: upgrade', 'Transfer-Encoding: chunked'], null],
    [['Upgrade: h2c', 'Connection: upgrade, HTTP2-Settings'], null],
    [['Upgrade: websocket, H2C', 'Connection: upgrade'], null],
    [['Upgrade: websocket', 'Upgrade: h2c', 'Connection: upgrade'], null],
    [['Upgrade: HTTP/2.0', 'Connection: upgrade'], null],
    [['Upgrade: TLS/1.2', 'Connection: upgrade'], null],
    [['Upgrade: web socket', 'Connection: upgrade'], null],
  ])('with %j asks to go on with %s', (lines, upgrade) => {
    expect(accepted(withLines(...lines)).upgrade).toBe(upgrade);
  });

  it('waits for 100 Continue only with a body and in HTTP/1.1', () => {
    expect(accepted(withLines('Expect: 100-Continue', 'Content-Length: 1')).expectsContinue).toBe(true);
    expect(accepted(withLines('Expect: 100-continue')).expectsContinue).toBe(false);
    const old = 'POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n';
    expect(accepted(old).expectsContinue).toBe(false);
  });

  it('for an absolute target has the host of the target, whatever Host says', () => {
    const head = accepted('GET HTTP://b:81?q HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(head).toMatchObject({ target: 'HTTP://b:81?q', headers: ['Host', 'b:81'], names: ['host'] });
    expect(accepted('GET http://b/ HTTP/1.0\r\n\r\n')).toMatchObject({ headers: ['Host', 'b'], names: ['host'] });
  });

  it.each(['/', '/a//b/%2e/?x=y&z', '//a', '/{a}|"b"\\^`<>', 'https://[::1]:443/x', 'http://1.2.3.4'])(
    'may have the target %s',
    (target) => {
      expect(accepted(withLine(`GET ${target} HTTP/1.1`)).target).toBe(target);
    },
  );

  it('may have the target * of OPTIONS', () => {
    expect(accepted(withLine('OPTIONS * HTTP/1.1')).target).toBe('*');
  });

  it.each(['a', 'a.b-c_d.', 'A:1', '1.2.3.4:65535', '[::1]', '[2001:db8::1]:80', '[::ffff:1.2.3.4]'])(
    'may be for the host %s',
    (host) => {
      expect(accepted(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`).headers).toEqual(['Host', host]);
    },
  );
});

describe('what is refused in a request', () => {
  it.each([
    ['both lengths', withLines('Content-Length: 3', 'Transfer-Encoding: chunked'), 'both Content-Length'],
    [
      'both lengths, the other way round',
      withLines('Transfer-Encoding: chunked', 'Content-Length: 3'),
      'both Content-Length',
    ],
    ['two equal lengths', withLines('Content-Length: 3', 'Content-Length: 3'), 'more than one Content-Length'],
    ['two lengths', withLines('Content-Length: 3', 'content-length: 4'), 'more than one Content-Length'],
    ...[
      '3, 3',
      '3,4',
      '+3',
      '-3',
      '0x3',
      '3 3',
      '3;',
      '1e1',
      '3.0',
      '',
      '03',
      '00',
      '9007199254740992',
      '99999999999999999',
    ].map((value) => [
      `the length ${JSON.stringify(value)}`,
      withLines(`Content-Length: ${value}`),
      'Content-Length that is no number',
    ]),
    ['a length before a tab', withLines('Content-Length: 3 \t '), 'Content-Length that is no number'],
    ...[
      'gzip',
      'gzip, chunked',
      'chunked, gzip',
      'chunked, chunked',
      'identity',
      'xchunked',
      'chunked;q=1',
      '"chunked"',
      ',chunked',
      '',
    ].map((value) => [
      `the coding ${JSON.stringify(value)}`,
      withLines(`Transfer-Encoding: ${value}`),
      'Transfer-Encoding other than chunked',
    ]),
    [
      'the coding twice',
      withLines('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
      'Transfer-Encoding other than chunked',
    ],
    ['a coding before a tab', withLines('Transfer-Encoding: chunked\t'), 'Transfer-Encoding other than chunked'],
    ['a coding in HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 'Transfer-Encoding in HTTP/1.0'],
    ['a length in disguise', withLines('Content_Length: 3'), 'a field name with _'],
    ['a forwarding field in disguise', withLines('X_Forwarded-For: 1.2.3.4'), 'a field name with _'],
    ['an arm in disguise', withLines('x-veza_arm: candidate'), 'a field name with _'],
  ])('%s', (_, text, fault) => {
    expect(refusal(text)).toMatchObject({ status: 400, fault: expect.stringContaining(fault) });
  });

  it.each([
    ['a bare LF behind the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n', 'does not end with HTTP/1.1'],
    ['a bare LF behind a field', 'GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n', 'LF without CR'],
    ['a bare LF as the empty line', 'GET / HTTP/1.1\r\nHost: a\r\n\n', 'LF without CR'],
    ['a bare LF before the request', `\n${withLines()}`, 'without a method'],
    ['a CR without LF in a value', withLines('X: a\rb'), 'CR without LF'],
    ['a CR without LF at the start of a line', withLines('\rX: a'), 'CR without LF'],
    ['two CR before a LF', withLines('X: a\r'), 'CR without LF'],
    ['a CR before the request', `\r${withLines()}`, 'CR without LF'],
    ['NUL in a value', withLines('X: a\0b'), 'control character'],
    ['vertical tab in a value', withLines('X: \u000ba'), 'control character'],
    ['DEL in a value', withLines('X: a\u007f'), 'control character'],
    ['NUL in a name', withLines('X\0: a'), 'not a token'],
    ['obsolete folding', withLines('X: a', ' b'), 'obsolete line folding'],
    ['obsolete folding with a tab', withLines('X: a', '\tb: c'), 'obsolete line folding'],
    ['white space before the first field', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n', 'before the first field'],
    ['a space before the colon', withLines('Content-Length : 3'), 'before its colon'],
    ['a tab before the colon', withLines('Transfer-Encoding\t: chunked'), 'before its colon'],
    ['a space in a name', withLines('X Y: a'), 'in a field name'],
    ['an empty name', withLines(': a'), 'empty field name'],
    ['a field without a colon', withLines('X'), 'without a colon'],
    ['a name that is no token', withLines('X(Y): a'), 'not a token'],
    ['a name that is not ASCII', withLines('X\u00e9: a'), 'not a token'],
  ])('%s', (_, text, fault) => {
    expect(refusal(text)).toMatchObject({ status: 400, fault: expect.stringContaining(fault) });
  });

  it.each([
    ['a method in lower case', 'get / HTTP/1.1', 400],
    ['a method that is no token', 'GE(T / HTTP/1.1', 400],
    ['a method that is too long', `${'A'.repeat(33)} / HTTP/1.1`, 400],
    ['no method', ' / HTTP/1.1', 400],
    ['CONNECT', 'CONNECT a:443 HTTP/1.1', 501],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0', 505],
    ['PRI', 'PRI / HTTP/1.1', 400],
    ['two spaces before the target', 'GET  / HTTP/1.1', 400],
    ['two spaces behind the target', 'GET /  HTTP/1.1', 400],
    ['a space in the target', 'GET /a b HTTP/1.1', 400],
    ['a space behind the version', 'GET / HTTP/1.1 ', 400],
    ['a tab for a space', 'GET\t/ HTTP/1.1', 400],
    ['a tab behind the target', 'GET /\tHTTP/1.1', 400],
    ['a control character in the target', 'GET /\u0001 HTTP/1.1', 400],
    ['an octet above 0x7e in the target', 'GET /\u00e9 HTTP/1.1', 400],
    ['DEL in the target', 'GET /\u007f HTTP/1.1', 400],
    ['a fragment', 'GET /a#b HTTP/1.1', 400],
    ['no target', 'GET HTTP/1.1', 400],
    ['a target that is no path', 'GET a/b HTTP/1.1', 400],
    ['a target that is an authority', 'GET a:443 HTTP/1.1', 400],
    ['* without OPTIONS', 'GET * HTTP/1.1', 400],
    ['more than *', 'OPTIONS *a HTTP/1.1', 400],
    ['another scheme', 'GET ftp://a/ HTTP/1.1', 400],
    ['an absolute target with a user', 'GET http://u@a/ HTTP/1.1', 400],
    ['an absolute target without a host', 'GET http:///x HTTP/1.1', 400],
    ['an absolute target with a wrong port', 'GET http://a:99999/ HTTP/1.1', 400],
    ['HTTP/0.9', 'GET /', 400],
    ['HTTP/2.0', 'GET / HTTP/2.0', 505],
    ['HTTP/1.2', 'GET / HTTP/1.2', 505],
    ['a version with more digits', 'GET / HTTP/1.10', 400],
    ['a version in lower case', 'GET / http/1.1', 400],
    ['a version with a comma', 'GET / HTTP/1,1', 400],
    ['a version without a number', 'GET / HTTP/x.1', 400],
  ])('%s', (_, line, status) => {
    expect(refusal(withLine(line)).status).toBe(status);
  });

  it.each([
    '',
    'a b',
    'a,b',
    'u@a',
    'a/b',
    'a?b',
    'a#b',
    'a:',
    'a:b',
    'a:65536',
    'a:123456',
    ':80',
    '[::1',
    '::1',
    '[x]',
    '[1.2.3.4]',
    '[fe80::1%25eth0]',
    'a%62',
    '\u00e9',
    'a\\b',
    'a'.repeat(262),
  ])('the host %j', (host) => {
    expect(refusal(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).toMatchObject({
      status: 400,
      fault: 'a Host that is no host',
    });
  });

  it('a request of HTTP/1.1 without Host, and any with two', () => {
    expect(refusal('GET / HTTP/1.1\r\n\r\n').fault).toBe('no Host');
    expect(refusal('GET http://a/ HTTP/1.1\r\n\r\n').fault).toBe('no Host');
    expect(refusal('GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n').fault).toBe('more than one Host');
    expect(refusal('GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n').fault).toBe('more than one Host');
  });

  it('an expectation other than 100-continue', () => {
    expect(refusal(withLines('Expect: 200-ok')).status).toBe(417);
    expect(refusal(withLines('Expect: 100-continue', 'Expect: 100-continue')).status).toBe(417);
  });

  it('what exceeds the limits', () => {
    const lines = Array.from({ length: 20 }, (_, index) => `X-${index}: y`);
    expect(refusal(withLines(...lines)).status).toBe(431);
    expect(accepted(withLines(...lines.slice(1))).names).toHaveLength(20);
    expect(refusal(withLine(`GET /${'a'.repeat(8_192)} HTTP/1.1`)).status).toBe(414);
    const text = withLines('X: y');
    expect(parse(text, { ...limits, maxHeaderBytes: text.length })).toMatchObject({ end: text.length });
    expect(refusal(text, { ...limits, maxHeaderBytes: text.length - 1 }).status).toBe(431);
    expect(refusal(text, { ...limits, maxHeaderBytes: 10 }).status).toBe(414);
  });
});

describe('a head that has not come whole', () => {
  it.each([
    '\u0016\u0003\u0001',
    '{',
    'get',
    'GET  ',
    'GET /\0',
    'GET / HTTP/2',
    'GET a:1 HTTP/1.1\r\n',
    'GET / HTTP/1.1\n',
    'GET / HTTP/1.1\r\nA b',
  ])('is refused as soon as it cannot become one: %j', (text) => {
    expect(refusal(text).status).toBeGreaterThanOrEqual(400);
  });

  it('is refused when it is as long as it may be, though its end has not come', () => {
    expect(parse(`GET / HTTP/1.1\r\nX: ${'a'.repeat(16_384 - 20)}`)).toBeNull();
    expect(refusal(`GET / HTTP/1.1\r\nX: ${'a'.repeat(16_384)}`).status).toBe(431);
    expect(refusal(`GET /${'a'.repeat(16_384)}`).status).toBe(414);
  });

  it('is refused for a bare LF, however much came before', () => {
    expect(refusal(`GET / HTTP/1.1\r\nX: ${'a'.repeat(5_000)}\nHost: a\n\n`).fault).toBe('a LF without CR');
  });
});

const chars = (text: string, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...Array.from(text)), minLength: 1, maxLength });
const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const visible = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index)).join('');
const fieldName = chars(`${alphabet}!#$%&'*+-.^_\`|~`, 20).filter(
  (name) => !/^(?:host|content.length|transfer.encoding|connection|upgrade|expect|te|trailer|forwarded|x.)/i.test(name),
);
const fieldValue = chars(`${visible} \t\u00e9\u00ff\u0080`, 40).map((value) => value.replace(/^[ \t]+|[ \t]+$/g, ''));

const head = fc.record({
  method: fc.constantFrom('GET', 'POST', 'DELETE', 'PURGE', 'M-SEARCH'),
  target: chars(visible.replace('#', ''), 60).map((text) => `/${text}`),
  fields: fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 18 }),
  length: fc.option(fc.nat(), { nil: undefined }),
});
type Head = typeof head extends fc.Arbitrary<infer T> ? T : never;

const flatOf = ({ fields, length }: Head): string[] => [
  'Host',
  'a.example',
  ...fields.flat(),
  ...(length === undefined ? [] : ['Content-Length', String(length)]),
];

function serialize(given: Head): string {
  let text = `${given.method} ${given.target} HTTP/1.1\r\n`;
  const flat = flatOf(given);
  for (let i = 0; i < flat.length; i += 2) text += `${flat[i]}: ${flat[i + 1]}\r\n`;
  return `${text}\r\n`;
}

describe('any head', () => {
  it('that is well formed is read as what was written', () => {
    fc.assert(
      fc.property(head, (given) => {
        const text = serialize(given);
        const flat = flatOf(given);
        expect(accepted(`${text}GET `)).toMatchObject({
          method: given.method,
          target: given.target,
          headers: flat,
          names: flat.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()),
          body: given.length === undefined ? { kind: 'none' } : { kind: 'length', bytes: given.length },
          end: text.length,
        });
      }),
    );
  });

  it('is incomplete until its last octet has come', () => {
    fc.assert(
      fc.property(head, fc.nat(), (given, place) => {
        const text = serialize(given);
        expect(parse(text.slice(0, place % text.length))).toBeNull();
      }),
    );
  });

  it('with one octet changed is read or refused, and never otherwise when it comes in pieces', () => {
    fc.assert(
      fc.property(head, fc.nat(), fc.nat(255), (given, place, octet) => {
        const text = serialize(given);
        const at = place % text.length;
        const changed = text.slice(0, at) + String.fromCharCode(octet) + text.slice(at + 1);
        const whole = parse(changed);
        let came = 0;
        let inPieces = null;
        while (inPieces === null && came < changed.length) inPieces = parse(changed.slice(0, (came += 1)));
        expect(inPieces).toEqual(whole);
      }),
      { numRuns: 300 },
    );
  });
});
