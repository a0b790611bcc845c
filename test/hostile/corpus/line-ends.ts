import { get, passed, raw, refused, type HostileCase, type Theme } from '../case.ts';

const rule = 'RFC 9112, 2.2';

const bad = (name: string, bytes: string, why: string, alone = false): HostileCase => ({
  name: `line-end-${name}`,
  why,
  source: rule,
  bytes,
  expect: refused(400),
  ...(alone ? { alone } : {}),
});

const head = 'GET /hostile HTTP/1.1\r\nHost: a.test\r\n';

export const lineEnds: Theme = {
  name: 'line ends',
  cases: [
    bad(
      'lf-everywhere',
      'GET /hostile HTTP/1.1\nHost: a.test\n\n',
      'A recipient may take LF for a line end; two that differ in it can be set apart.',
    ),
    bad('lf-behind-request-line', 'GET /hostile HTTP/1.1\nHost: a.test\r\n\r\n', 'Only the first line ends with LF.'),
    bad('lf-behind-header', 'GET /hostile HTTP/1.1\r\nHost: a.test\nX-A: b\r\n\r\n', 'One header ends with LF.'),
    bad('lf-empty-line', `${head}X-A: b\r\n\n`, 'The head ends with LF.'),
    bad(
      'lf-lf-inside',
      `${head}X-A: b\n\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n`,
      'The head ends at LF LF for some, and a request begins.',
    ),
    bad('cr-everywhere', 'GET /hostile HTTP/1.1\rHost: a.test\r\r', 'CR alone is no line end.'),
    bad('cr-behind-header', `${head}X-A: b\rX-B: c\r\n\r\n`, 'CR alone inside a line.'),
    bad('cr-cr-lf', `${head}X-A: b\r\r\n\r\n`, 'A CR too many at the end of a line.'),
    bad('cr-cr-lf-empty-line', `${head}X-A: b\r\n\r\r\n`, 'A CR too many in the empty line.'),
    bad('cr-lf-turned-around', 'GET /hostile HTTP/1.1\n\rHost: a.test\n\r\n\r', 'LF CR instead of CR LF.'),
    bad('cr-in-target', 'GET /hos\rtile HTTP/1.1\r\nHost: a.test\r\n\r\n', 'CR in the target.'),
    bad('cr-in-method', 'G\rET /hostile HTTP/1.1\r\nHost: a.test\r\n\r\n', 'CR in the method.'),
    bad('cr-before-name', `${head}\rX-A: b\r\n\r\n`, 'CR in front of a name.'),
    bad(
      'cr-then-request',
      `${head}X-A: b\r\n\rGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n`,
      'CR where the empty line could be.',
    ),
    bad(
      'lf-before-request',
      '\nGET /hostile HTTP/1.1\r\nHost: a.test\r\n\r\n',
      'An empty line in front may be skipped, a bare LF is none.',
    ),
    bad('cr-before-request', '\rGET /hostile HTTP/1.1\r\nHost: a.test\r\n\r\n', 'A bare CR in front.'),
    bad(
      'next-line',
      'GET /hostile HTTP/1.1\x85Host: a.test\r\nHost: a.test\r\n\r\n',
      'NEL (U+0085) is a line end in Unicode.',
    ),
    bad('line-separator', `${head}X-A: b\xe2\x80\xa8\r X-B: c\r\n\r\n`, 'U+2028 and a bare CR.'),
    bad(
      'vertical-tab',
      'GET /hostile HTTP/1.1\x0bHost: a.test\r\n\r\n',
      'splitlines() of some languages splits at it.',
    ),
    bad(
      'file-separator',
      'GET /hostile HTTP/1.1\x1cHost: a.test\r\n\r\n',
      'splitlines() of some languages splits at it.',
    ),
    {
      name: 'line-end-empty-line-before-request',
      why: 'Old clients send one behind a body: it is skipped, and is no request.',
      source: rule,
      bytes: `\r\n${get()}`,
      expect: passed(),
    },
    {
      name: 'line-end-none-at-all',
      why: 'A head without an end is no request.',
      source: 'RFC 9112, 2.1',
      bytes: 'GET /hostile HTTP/1.1\r\nHost: a.test\r\n',
      alone: true,
      expect: { kind: 'held' },
    },
    {
      name: 'line-end-next-line-in-value',
      why: 'The bytes of U+2028 in a value are obs-text and stay what they are.',
      source: 'RFC 9110, 5.5',
      bytes: raw('GET /hostile HTTP/1.1', 'Host: a.test', 'X-A: b\xe2\x80\xa8c'),
      expect: passed({ headers: [['x-a', 'b\xe2\x80\xa8c']] }),
    },
  ],
};
