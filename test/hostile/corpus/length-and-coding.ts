import { post, raw, refused, smuggled, type HostileCase, type Theme } from '../case.ts';

const research = 'RFC 9112, 6.3, rule 3; Watchfire, HTTP Request Smuggling (2005)';
const chunkedSmuggle = `0\r\n\r\n${smuggled}`;

const bad = (name: string, headers: readonly string[], body: string, why: string, statuses = [400]): HostileCase => ({
  name,
  why,
  source: research,
  bytes: post(headers, body),
  expect: refused(...statuses),
});

const haproxy =
  'It keeps the chunks, drops the length and closes the connection behind the answer, which RFC 9112, 6.3 allows; the gateway refuses, which it allows as well.';

export const lengthAndCoding: Theme = {
  name: 'length and coding',
  cases: [
    {
      ...bad(
        'cl-te',
        [`Content-Length: ${chunkedSmuggle.length}`, 'Transfer-Encoding: chunked'],
        chunkedSmuggle,
        'CL.TE: the first reader counts bytes, the second reads chunks and finds a request behind them.',
      ),
      haproxy,
    },
    {
      ...bad(
        'te-cl',
        ['Transfer-Encoding: chunked', 'Content-Length: 4'],
        `28\r\n${smuggled}\r\n0\r\n\r\n`,
        'TE.CL: the first reader reads chunks, the second counts four bytes and finds a request in the chunk.',
      ),
      haproxy,
    },
    {
      ...bad(
        'cl-zero-te',
        ['Content-Length: 0', 'Transfer-Encoding: chunked'],
        `28\r\n${smuggled}\r\n0\r\n\r\n`,
        'A length of zero makes the chunks the next request.',
      ),
      haproxy,
    },
    {
      ...bad(
        'cl-te-agreeing',
        ['Content-Length: 15', 'Transfer-Encoding: chunked'],
        '5\r\nhello\r\n0\r\n\r\n',
        'Both say the same here; nobody may learn which one counts.',
      ),
      haproxy,
    },
    bad(
      'cl-te-space-before-colon',
      [`Content-Length: ${chunkedSmuggle.length}`, 'Transfer-Encoding : chunked'],
      chunkedSmuggle,
      'TE.TE: the coding is hidden from one of the two.',
    ),
    bad(
      'cl-te-xchunked',
      [`Content-Length: ${chunkedSmuggle.length}`, 'Transfer-Encoding: xchunked'],
      chunkedSmuggle,
      'TE.TE: the coding is hidden from one of the two.',
      [400, 501],
    ),
    bad(
      'cl-te-identity',
      [`Content-Length: ${chunkedSmuggle.length}`, 'Transfer-Encoding: identity'],
      chunkedSmuggle,
      'Identity gives way to the length for some.',
      [400, 501],
    ),
    bad(
      'cl-te-tab',
      [`Content-Length: ${chunkedSmuggle.length}`, 'Transfer-Encoding:\tchunked'],
      chunkedSmuggle,
      'A tab hides the coding from those who expect a space.',
    ),
    bad(
      'cl-te-folded',
      [`Content-Length: ${chunkedSmuggle.length}`, 'Transfer-Encoding:\r\n chunked'],
      chunkedSmuggle,
      'A folded coding is empty for one of the two.',
    ),
    bad(
      'cl-te-lf',
      [`Content-Length: ${chunkedSmuggle.length}`, 'X: y\nTransfer-Encoding: chunked'],
      chunkedSmuggle,
      'A coding behind a bare LF is there for one of the two.',
    ),
    bad(
      'cl-te-nominated',
      [`Content-Length: ${chunkedSmuggle.length}`, 'Transfer-Encoding: chunked', 'Connection: transfer-encoding'],
      chunkedSmuggle,
      'Connection would take the coding away and leave the length.',
    ),
    bad(
      'cl-nominated-te',
      [`Content-Length: ${chunkedSmuggle.length}`, 'Transfer-Encoding: chunked', 'Connection: content-length'],
      chunkedSmuggle,
      'Connection would take the length away and leave the coding.',
    ),
    bad(
      'cl-te-upper-case',
      [`CONTENT-LENGTH: ${chunkedSmuggle.length}`, 'TRANSFER-ENCODING: chunked'],
      chunkedSmuggle,
      'Names are compared without case.',
    ),
    bad(
      'cl-twice-te',
      ['Content-Length: 5', 'Content-Length: 5', 'Transfer-Encoding: chunked'],
      chunkedSmuggle,
      'Three framings of one body.',
    ),
    bad(
      'cl-invalid-te',
      ['Content-Length: x', 'Transfer-Encoding: chunked'],
      chunkedSmuggle,
      'A broken length is ignored when chunks are there by some.',
    ),
    bad(
      'te-cl-get-body',
      ['Transfer-Encoding: chunked', 'Content-Length: 6'],
      '0\r\n\r\nG',
      'The classic probe: a G that becomes the first letter of the next method.',
    ),
    {
      name: 'cl-te-http-1-0',
      why: 'HTTP/1.0 has lengths only, so the coding is ignored by some.',
      source: research,
      bytes:
        raw(
          'POST /hostile HTTP/1.0',
          'Host: a.test',
          `Content-Length: ${chunkedSmuggle.length}`,
          'Transfer-Encoding: chunked',
        ) + chunkedSmuggle,
      expect: refused(400),
    },
  ],
};
