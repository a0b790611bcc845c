import {
  brokenOff,
  followUp,
  get,
  line,
  passed,
  passedThen,
  post,
  postChunked,
  smuggled,
  type ExpectedRequest,
  type HostileCase,
  type Theme,
} from '../case.ts';

const rule = 'RFC 9112, 9.3.2';

const fine = (name: string, bytes: string, why: string, ...requests: readonly ExpectedRequest[]): HostileCase => ({
  name: `pipeline-${name}`,
  why,
  source: rule,
  bytes,
  expect: passed(...requests),
});

const second = { target: '/second' };

export const pipelining: Theme = {
  name: 'pipelining',
  cases: [
    fine('two-gets', get() + line('GET /second HTTP/1.1'), 'Answers in the order of the requests.', {}, second),
    fine(
      'post-then-get',
      post(['Content-Length: 5'], 'hello') + line('GET /second HTTP/1.1'),
      'The second begins where the length ends.',
      { method: 'POST', body: 'hello' },
      second,
    ),
    fine(
      'chunked-then-get',
      postChunked('5\r\nhello\r\n0\r\n\r\n') + line('GET /second HTTP/1.1'),
      'The second begins behind the last chunk.',
      { method: 'POST', body: 'hello' },
      second,
    ),
    fine(
      'trailers-then-get',
      postChunked('5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n') + line('GET /second HTTP/1.1'),
      'The second begins behind the trailers.',
      { method: 'POST', body: 'hello', trailers: [['x-sum', '1']] },
      second,
    ),
    fine(
      'head-then-get',
      line('HEAD /hostile HTTP/1.1') + line('GET /second HTTP/1.1'),
      'The length in the answer to HEAD is not followed by a body.',
      { method: 'HEAD' },
      second,
    ),
    fine(
      'forty-gets',
      Array.from({ length: 40 }, (_, at) => line(`GET /hostile/${at} HTTP/1.1`)).join(''),
      'Each one once, each in its turn.',
      ...Array.from({ length: 40 }, (_, at) => ({ target: `/hostile/${at}` })),
    ),
    fine(
      'empty-line-between',
      `${post(['Content-Length: 5'], 'hello')}\r\n${line('GET /second HTTP/1.1')}`,
      'Old clients send an empty line behind a body.',
      { method: 'POST', body: 'hello' },
      second,
    ),
    {
      name: 'pipeline-good-then-bad',
      why: 'What came before a fault is answered; nothing behind it is.',
      source: rule,
      bytes: `${get()}GET /bad HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding : chunked\r\n\r\n`,
      expect: passedThen('refused'),
    },
    {
      name: 'pipeline-good-then-text',
      why: 'Text behind a request is no request.',
      source: rule,
      bytes: `${get()}this is not HTTP\r\n\r\n`,
      expect: passedThen('refused'),
    },
    {
      name: 'pipeline-chunked-then-spill',
      why: 'Bytes behind the last chunk are the next request, and are none.',
      source: 'RFC 9112, 7.1',
      bytes: `${postChunked('5\r\nhello\r\n0\r\n\r\n')}5\r\nworld\r\n0\r\n\r\n`,
      expect: passedThen('refused', { method: 'POST', body: 'hello' }),
    },
    {
      name: 'pipeline-bad-chunk-then-get',
      why: 'Nothing behind a broken body may be looked at.',
      source: 'RFC 9112, 6.3',
      bytes: postChunked(`5\r\nhelloXX0\r\n\r\n${smuggled}`),
      expect: brokenOff,
    },
    {
      name: 'pipeline-prefix-of-next-method',
      why: 'The probe of all desync tools: a letter that would be glued to the next request of somebody else.',
      source: 'PortSwigger, HTTP Desync Attacks (2019)',
      bytes: `${post(['Content-Length: 5'], 'hello')}X${followUp}`,
      alone: true,
      expect: passedThen('either', { method: 'POST', body: 'hello' }, { method: 'XGET', target: '/follow-up' }),
    },
  ],
};
