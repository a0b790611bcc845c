import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkedDecoder, chunkHead, lastChunk } from './chunked.ts';

interface Decoded {
  readonly data: string;
  readonly end: number;
  readonly done: boolean;
  readonly fault: string | null;
  readonly trailers: readonly string[];
}

/** Decodes a text that comes in pieces which end at these offsets. */
function decode(text: string, cuts: readonly number[] = []): Decoded {
  const decoder = new ChunkedDecoder();
  const bytes = Buffer.from(text, 'latin1');
  let data = '';
  let at = 0;
  for (const to of [...cuts, bytes.length]) {
    const end = decoder.decode(bytes, at, to, (piece) => (data += piece.toString('latin1')));
    expect(end).toBeLessThanOrEqual(to);
    if (!decoder.done && decoder.fault === null) expect(end).toBe(to);
    at = end;
  }
  const { done, fault, trailers } = decoder;
  return { data, end: at, done, fault, trailers };
}

const encode = (pieces: readonly string[], trailers: readonly string[] | null = null): string =>
  pieces.map((piece) => `${chunkHead(piece.length)}${piece}\r\n`).join('') + lastChunk(trailers);

describe('a chunked body', () => {
  it('is its data, and ends behind the empty line', () => {
    const text = '5\r\nhello\r\n00B;a=b\r\n beautiful \r\n5\r\nworld\r\n0\r\n\r\n';
    expect(decode(`${text}GET /`)).toEqual({
      data: 'hello beautiful world',
      end: text.length,
      done: true,
      fault: null,
      trailers: [],
    });
  });

  it('hands out views into the bytes it was given, not copies', () => {
    const bytes = Buffer.from('3\r\nabc\r\n', 'latin1');
    new ChunkedDecoder().decode(bytes, 0, bytes.length, (piece) => {
      expect(piece.buffer).toBe(bytes.buffer);
      expect(piece.byteOffset).toBe(bytes.byteOffset + 3);
    });
    expect.assertions(2);
  });

  it('may announce a chunk as large as numbers are exact', () => {
    expect(decode('1fffffffffffff\r\nabc')).toMatchObject({ data: 'abc', fault: null, done: false });
    expect(decode('0000000000000003\r\nabc\r\n').fault).toBeNull();
  });

  it.each(['a', 'a=b', 'a=b;c', 'a="b;c\\"d"', 'a=""', 'a="\t"'])(
    'may have the extension %j, which is dropped',
    (extension) => {
      expect(decode(`3;${extension}\r\nabc\r\n0;${extension}\r\n\r\n`)).toMatchObject({ data: 'abc', done: true });
    },
  );

  it('has the trailers that may come behind a body', () => {
    const text =
      '0\r\nX-Sum: \t1 \r\nServer-Timing: db\r\nHost: b\r\nAuthorization: x\r\nCookie: x\r\nSet-Cookie: a\r\nX-Forwarded-For: 1.2.3.4\r\n' +
      'x_veza_arm: candidate\r\nContent-Type: text/html\r\nConnection: X-Sum\r\nCache-Control: public\r\nExpect: 100-continue\r\n\r\n';
    expect(decode(text)).toMatchObject({ done: true, trailers: ['X-Sum', '1', 'Server-Timing', 'db'] });
  });

  it.each([
    ['no size', '\r\nabc', 'without size'],
    ['a size with a prefix', '0x3\r\nabc', 'no number'],
    ['a size with a sign', '+3\r\nabc', 'without size'],
    ['a negative size', '-3\r\nabc', 'without size'],
    ['a size that is no number', 'g\r\nabc', 'without size'],
    ['a space before the size', ' 3\r\nabc', 'without size'],
    ['a space behind the size', '3 \r\nabc', 'no number'],
    ['a tab behind the size', '3\t\r\nabc', 'no number'],
    ['a space before an extension', '3 ;a\r\nabc', 'no number'],
    ['a size above 2^53 - 1', '20000000000000\r\nabc', 'too large'],
    ['a size that wraps 64 bits', 'ffffffffffffffff\r\nabc', 'too large'],
    ['a size that wraps 64 bits to 3', '10000000000000003\r\nabc', 'too large'],
    ['a size with 17 digits', '00000000000000003\r\nabc', 'too long'],
    ['a bare LF behind the size', '3\nabc', 'LF without CR'],
    ['a bare CR behind the size', '3\rabc', 'CR without LF'],
    ['two CR behind the size', '3\r\r\nabc', 'CR without LF'],
    ['a bare LF in an extension', '3;a\nabc', 'LF without CR'],
    ['an extension without a name', '3;\r\nabc', 'extension'],
    ['an extension without a value', '3;a=\r\nabc', 'extension'],
    ['an extension with a space', '3; a\r\nabc', 'extension'],
    ['NUL in an extension', '3;a\0\r\nabc', 'extension'],
    ['an octet above 0x7e in an extension', '3;\u00e9\r\nabc', 'extension'],
    ['a line end in a quoted extension', '3;a="\r\n"\r\nabc', 'extension'],
    ['text behind a quoted extension', '3;a="b"c\r\nabc', 'extension'],
    ['a bare LF behind the data', '3\r\nabc\n', 'longer than its size'],
    ['a chunk that is longer than its size', '3\r\nabcd\r\n', 'longer than its size'],
    ['a chunk that is shorter than its size', '5\r\nabc\r\n0\r\n\r\n', 'longer than its size'],
    ['a CR without LF behind the data', '3\r\nabc\r0\r\n\r\n', 'CR without LF'],
    ['a bare LF behind the last chunk', '0\n\r\n', 'LF without CR'],
    ['a bare LF as the end', '0\r\n\n', 'LF without CR'],
    ['a CR without LF as the end', '0\r\n\rx', 'CR without LF'],
    ['a length in the trailers', '0\r\nContent-Length: 3\r\n\r\n', 'how long a body is'],
    ['a coding in the trailers', '0\r\nTransfer-Encoding: chunked\r\n\r\n', 'how long a body is'],
    ['a trailer with a space before its colon', '0\r\nX : a\r\n\r\n', 'before its colon'],
    ['a folded trailer', '0\r\nX: a\r\n b\r\n\r\n', 'folding'],
    ['a control character in a trailer', '0\r\nX: a\0\r\n\r\n', 'control character'],
    ['a request where trailers should be', '0\r\nGET / HTTP/1.1\r\n\r\n', 'in a field name'],
    ['an extension that is too long', `3;${'a'.repeat(300)}\r\nabc`, 'extensions that are too long'],
    ['an extension that does not end', `3;a="${'b'.repeat(300)}`, 'extensions that are too long'],
    [
      'extensions of many chunks that are too long together',
      `1;${'a'.repeat(200)}\r\nb\r\n`.repeat(100),
      'extensions that are too long',
    ],
    ['trailers that are too long', `0\r\nX: ${'a'.repeat(9_000)}`, 'trailers that are too long'],
    ['too many trailers', `0\r\n${'X: a\r\n'.repeat(65)}`, 'more than 64'],
  ])('with %s is refused', (_, text, fault) => {
    const decoded = decode(text);
    expect(decoded).toMatchObject({ done: false, fault: expect.stringContaining(fault) });
    expect(
      decode(
        text,
        Array.from(text, (_, index) => index),
      ).fault,
    ).toBe(decoded.fault);
  });

  it('takes nothing more when it is done or refused', () => {
    const decoder = new ChunkedDecoder();
    const bytes = Buffer.from('0\r\n\r\n3\r\nabc\r\n', 'latin1');
    expect(decoder.decode(bytes, 0, bytes.length, () => expect.unreachable())).toBe(5);
    expect(decoder.decode(bytes, 5, bytes.length, () => expect.unreachable())).toBe(5);
  });
});

const octets = fc.string({ unit: fc.nat(255).map((octet) => String.fromCharCode(octet)), minLength: 1, maxLength: 40 });

describe('any chunked body', () => {
  it('that is written is read again, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(octets, { maxLength: 6 }),
        fc.boolean(),
        fc.array(fc.nat(), { maxLength: 12 }),
        (pieces, trailing, places) => {
          const trailers = trailing ? ['x-sum', 'a b'] : null;
          const text = encode(pieces, trailers);
          const cuts = places.map((place) => place % (text.length + 1)).sort((a, b) => a - b);
          expect(decode(text, cuts)).toEqual({
            data: pieces.join(''),
            end: text.length,
            done: true,
            fault: null,
            trailers: trailers ?? [],
          });
        },
      ),
    );
  });

  it('with one octet changed ends in the same place for the same reason, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(octets, { maxLength: 4 }),
        fc.nat(),
        fc.nat(255),
        fc.array(fc.nat(), { maxLength: 12 }),
        (pieces, place, octet, places) => {
          const text = encode(pieces, ['x-sum', '1']);
          const at = place % text.length;
          const changed = `${text.slice(0, at)}${String.fromCharCode(octet)}${text.slice(at + 1)}0\r\n\r\n`;
          const cuts = places.map((cut) => cut % (changed.length + 1)).sort((a, b) => a - b);
          const [whole, cut] = [decode(changed), decode(changed, cuts)];
          // Where a fault is in the trailers depends on what had come of them.
          expect({ ...cut, end: 0 }).toEqual({ ...whole, end: 0 });
          if (whole.fault === null) expect(cut.end).toBe(whole.end);
        },
      ),
    );
  });
});

describe('the end of a chunked body', () => {
  it('leaves out trailers that would frame, route or break it', () => {
    expect(lastChunk(null)).toBe('0\r\n\r\n');
    expect(
      lastChunk(['a', '1', 'Content-Length', '2', 'x\r\ny', '3', 'b', '4\r\nx: y', 'x-veza-arm', 'stable', 'c', '']),
    ).toBe('0\r\na: 1\r\nc: \r\n\r\n');
  });
});
