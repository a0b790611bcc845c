import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headersForClient } from '../request-head.ts';
import type { HeadLimits, ParsedAnswer } from './message.ts';
import { parseAnswerHead } from './parse-answer.ts';

const limits: HeadLimits = { maxHeaderBytes: 4_096, maxHeaders: 20 };

const parse = (text: string, method = 'GET') => {
  const bytes = Buffer.from(text, 'latin1');
  return parseAnswerHead(bytes, 0, bytes.length, method, limits);
};

const accepted = (text: string, method?: string): ParsedAnswer => {
  const head = parse(text, method);
  if (head === null || 'fault' in head) throw new Error(`not taken: ${JSON.stringify(head)}`);
  return head;
};

const withLines = (line: string, ...lines: string[]): string => [line, ...lines, '', ''].join('\r\n');
const ok = (...lines: string[]): string => withLines('HTTP/1.1 200 OK', ...lines);

describe('the head of an answer', () => {
  it('is its status, reason and fields, and ends behind the empty line', () => {
    const text = 'HTTP/1.1 404 Not So F\u00e9\r\nContent-Length: 5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n';
    expect(accepted(`${text}hello`)).toMatchObject({
      status: 404,
      reason: 'Not So F\u00e9',
      headers: ['Content-Length', '5', 'Set-Cookie', 'a', 'Set-Cookie', 'b'],
      names: ['content-length', 'set-cookie', 'set-cookie'],
      body: { kind: 'length', bytes: 5 },
      announced: 5,
      keepAlive: true,
      end: text.length,
    });
  });

  it('has lines that go on as they are: without those of its connection and those that the gateway says itself', () => {
    const head = accepted(
      ok(
        'Date: now',
        'A: 1',
        'Connection: keep-alive',
        'x-request-id: faked',
        'Keep-Alive: timeout=5',
        'b:\t\u00a02 \t',
        'C:',
        'Content-Type: text/plain',
        'Content-Length: 0',
        'Content-Encoding: br',
      ),
    );
    expect(head).toMatchObject({
      lines: 'Date: now\r\nA: 1\r\nb: \u00a02\r\nC: \r\nContent-Type: text/plain\r\nContent-Encoding: br\r\n',
      dated: true,
      keepAliveField: 'timeout=5',
      contentType: 'text/plain',
      contentEncoding: 'br',
    });
    expect(head.headers.slice(10, 14)).toEqual(['b', '\u00a02', 'C', '']);
  });

  it('has the same in its lines as one by one, however it is written', () => {
    const name = fc.constantFrom('A', 'set-cookie', 'Date', 'Upgrade', 'TE', 'X-Veza-Error', 'keep-alive', 'vary');
    const space = fc.stringMatching(/^[ \t]{0,3}$/);
    const field = fc.tuple(name, space, fc.constantFrom('', 'a', 'b c', '\u00e9', 'x:y'), space);
    fc.assert(
      fc.property(fc.array(field, { maxLength: 15 }), (fields) => {
        const head = accepted(ok(...fields.map((parts) => `${parts[0]}:${parts.slice(1).join('')}`)));
        const flat = headersForClient(head);
        const lines: string[] = [];
        for (let i = 0; i < flat.length; i += 2) lines.push(`${flat[i]}: ${flat[i + 1]}\r\n`);
        expect(head.lines).toBe(lines.join(''));
      }),
    );
  });

  it('has no lines when fields are for its connection because Connection says so', () => {
    expect(accepted(ok('Connection: x-hop', 'X-Hop: 1', 'Content-Length: 0')).lines).toBeNull();
  });

  it('may have no reason, with or without the space before it', () => {
    expect(accepted(withLines('HTTP/1.1 200 ', 'Content-Length: 0'))).toMatchObject({ reason: '', keepAlive: true });
    expect(accepted(withLines('HTTP/1.1 200', 'Content-Length: 0'))).toMatchObject({ reason: '', keepAlive: true });
  });

  it.each([
    ['GET', 'HTTP/1.1 200 OK', ['Content-Length: 3'], { kind: 'length', bytes: 3 }, 3],
    ['GET', 'HTTP/1.1 200 OK', ['Transfer-Encoding: CHUNKED'], { kind: 'open' }, null],
    ['GET', 'HTTP/1.1 200 OK', [], null, null],
    ['HEAD', 'HTTP/1.1 200 OK', ['Content-Length: 3'], { kind: 'none' }, 3],
    ['HEAD', 'HTTP/1.1 200 OK', ['Transfer-Encoding: chunked'], { kind: 'none' }, null],
    ['HEAD', 'HTTP/1.1 200 OK', [], { kind: 'none' }, null],
    ['GET', 'HTTP/1.1 304 Not Modified', ['Content-Length: 3'], { kind: 'none' }, 3],
    ['GET', 'HTTP/1.1 204 No Content', [], { kind: 'none' }, null],
    ['GET', 'HTTP/1.1 204 No Content', ['Content-Length: 0'], { kind: 'none' }, 0],
    ['GET', 'HTTP/1.1 100 Continue', [], { kind: 'none' }, null],
    ['GET', 'HTTP/1.1 101 Switching Protocols', ['Upgrade: websocket'], { kind: 'none' }, null],
  ])('to %s, %j with %j has the body %j', (method, line, lines, body, announced) => {
    expect(accepted(withLines(line, ...lines), method)).toMatchObject({ body, announced });
  });

  it.each([
    [ok('Content-Length: 0'), true],
    [ok('Content-Length: 0', 'Connection: close'), false],
    [ok('Content-Length: 0', 'Connection: keep-alive, close'), false],
    [withLines('HTTP/1.0 200 OK', 'Content-Length: 0'), false],
    [withLines('HTTP/1.0 200 OK', 'Content-Length: 0', 'Connection: keep-alive'), true],
    // Its end is the end of the connection.
    [ok('Connection: keep-alive'), false],
  ])('%j keeps its connection: %s', (text, keepAlive) => {
    expect(accepted(text).keepAlive).toBe(keepAlive);
  });
});

describe('what is refused in an answer', () => {
  it.each([
    ['both lengths', ok('Content-Length: 3', 'Transfer-Encoding: chunked'), 'both'],
    ['two equal lengths', ok('Content-Length: 3', 'Content-Length: 3'), 'more than one Content-Length'],
    ['a list of lengths', ok('Content-Length: 3, 3'), 'no number'],
    ['a length with a sign', ok('Content-Length: +3'), 'no number'],
    ['a length before a tab', ok('Content-Length: 3\t'), 'no number'],
    [
      'both lengths also without a body',
      withLines('HTTP/1.1 304 X', 'Content-Length: 3', 'Transfer-Encoding: chunked'),
      'both',
    ],
    ['another coding', ok('Transfer-Encoding: gzip, chunked'), 'other than chunked'],
    ['the coding twice', ok('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'), 'other than chunked'],
    ['a coding before a tab', ok('Transfer-Encoding: chunked\t'), 'other than chunked'],
    ['a coding in HTTP/1.0', withLines('HTTP/1.0 200 OK', 'Transfer-Encoding: chunked'), 'in HTTP/1.0'],
    ['a body with 204', withLines('HTTP/1.1 204 X', 'Content-Length: 3'), 'status 204'],
    ['chunks with 204', withLines('HTTP/1.1 204 X', 'Transfer-Encoding: chunked'), 'status 204'],
    ['a body with 103', withLines('HTTP/1.1 103 X', 'Content-Length: 3'), 'status 103'],
    ['103 in HTTP/1.0', withLines('HTTP/1.0 103 X'), 'interim'],
    ['obsolete folding', ok('X: a', ' b'), 'folding'],
    ['a bare LF', 'HTTP/1.1 200 OK\nX: a\r\n\r\n', 'CRLF'],
    ['a bare LF behind a field', 'HTTP/1.1 200 OK\r\nX: a\n\r\n', 'LF without CR'],
    ['a CR in the reason', withLines('HTTP/1.1 200 O\rK'), 'CR without LF'],
    ['NUL in the reason', withLines('HTTP/1.1 200 O\0K'), 'CRLF'],
    ['NUL in a value', ok('X: \0'), 'control character'],
    ['a space before a colon', ok('Content-Length : 3'), 'before its colon'],
    ['an empty line before it', `\r\n${ok()}`, 'does not begin'],
    ['what is left of a body', `x${ok()}`, 'does not begin'],
    ['HTTP/2.0', withLines('HTTP/2.0 200 OK'), 'does not begin'],
    ['a version in lower case', withLines('http/1.1 200 OK'), 'does not begin'],
    ['two spaces before the status', withLines('HTTP/1.1  200 OK'), 'no number'],
    ['a status of two digits', withLines('HTTP/1.1 20 OK'), 'no number'],
    ['a status of four digits', withLines('HTTP/1.1 2000 OK'), 'without a space'],
    ['a status below 100', withLines('HTTP/1.1 099 OK'), 'outside'],
    ['a status above 599', withLines('HTTP/1.1 600 OK'), 'outside'],
    ['too many fields', ok(...Array.from({ length: 21 }, () => 'X: y')), 'more than 20'],
    ['too long a head', ok(`X: ${'y'.repeat(4_096)}`), 'more than 4096'],
  ])('%s', (_, text, fault) => {
    expect(parse(text)).toMatchObject({ fault: expect.stringContaining(fault) });
  });
});

describe('an answer of which a part has come', () => {
  it('is incomplete until its last octet, and nothing behind that is looked at', () => {
    const text = ok('Content-Length: 3', 'X-Thing: a b', 'X-Empty:');
    const bytes = Buffer.from(`${text}\r\n\r\n`, 'latin1');
    for (let to = 0; to < text.length; to += 1) expect(parseAnswerHead(bytes, 0, to, 'GET', limits)).toBeNull();
    expect(parseAnswerHead(bytes, 0, text.length, 'GET', limits)).toMatchObject({ end: text.length });
  });

  it('with one octet changed is read or refused as when it came whole', () => {
    const text = ok('Content-Length: 3', 'Connection: keep-alive', 'X-Thing: a b');
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.nat(255), (at, octet) => {
        const changed = text.slice(0, at) + String.fromCharCode(octet) + text.slice(at + 1);
        let came = 0;
        let inPieces = null;
        while (inPieces === null && came < changed.length) inPieces = parse(changed.slice(0, (came += 1)));
        expect(inPieces).toEqual(parse(changed));
      }),
      { numRuns: 500 },
    );
  });
});
