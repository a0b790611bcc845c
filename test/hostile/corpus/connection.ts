import { get, passed, passedThen, post, refused, smuggled, type HostileCase, type Theme } from '../case.ts';

const rule = 'RFC 9110, 7.6.1';
const abuse = 'Nathan Davison, Abusing HTTP hop-by-hop request headers (2019)';
const transparent = 'The reference passes named headers on; it drops no header by what Connection says.';

const fine = (
  name: string,
  headers: readonly string[],
  why: string,
  expected: readonly (readonly [string, string])[] = [],
  source = rule,
  haproxy = transparent,
): HostileCase => ({
  name: `connection-${name}`,
  why,
  source,
  bytes: get(...headers),
  expect: passed({ headers: expected }),
  haproxy,
});

export const connection: Theme = {
  name: 'connection',
  cases: [
    fine(
      'names-host',
      ['Connection: host'],
      'Host must not be taken away: the instance would guess.',
      [['host', 'a.test']],
      abuse,
    ),
    fine(
      'names-forwarded-for',
      ['Connection: x-forwarded-for, x-forwarded-host, x-forwarded-proto', 'X-Forwarded-For: 1.2.3.4'],
      'What the router says of the client must not be taken away.',
      [],
      abuse,
    ),
    fine('names-request-id', ['Connection: x-request-id'], 'What the router says must not be taken away.', [], abuse),
    fine(
      'names-arm',
      ['Connection: x-veza-arm', 'X-Veza-Arm: candidate'],
      'The arm is the router’s business.',
      [],
      abuse,
    ),
    fine('names-via', ['Connection: via'], 'What the router says must not be taken away.', [], abuse),
    fine(
      'names-header',
      ['Connection: x-a, X-B', 'X-A: 1', 'x-b: 2', 'X-C: 3'],
      'Named headers end here, in any case.',
      [['x-c', '3']],
    ),
    fine('names-close-and-header', ['Connection: keep-alive, x-a', 'X-A: 1'], 'A list of options.'),
    fine('two-lines', ['Connection: x-a', 'Connection: x-b', 'X-A: 1', 'X-B: 2'], 'Two lines are one list.'),
    fine('named-before-and-behind', ['X-A: 1', 'Connection: x-a', 'X-A: 2'], 'Where it stands does not matter.'),
    fine('empty', ['Connection:'], 'Nothing is named.'),
    fine('commas', ['Connection: , ,,'], 'Empty elements.'),
    fine('quoted', ['Connection: "x-a"', 'X-A: 1'], 'A quoted option is not the header’s name.', [['x-a', '1']]),
    fine(
      'keep-alive-header',
      ['Connection: keep-alive', 'Keep-Alive: timeout=1000'],
      'Keep-Alive is only for this connection.',
    ),
    fine(
      'proxy-connection',
      ['Proxy-Connection: keep-alive'],
      'Never was a header; must not go on.',
      [],
      'RFC 9112, C.2.2',
    ),
    fine('proxy-authorization', ['Proxy-Authorization: Basic YTpi'], 'Meant for this hop.', [], 'RFC 9110, 11.7.2'),
    fine('te', ['TE: trailers', 'Connection: TE'], 'Only for this connection.', [], 'RFC 9110, 10.1.4'),
    fine('te-not-named', ['TE: trailers'], 'Only for this connection, named or not.', [], 'RFC 9110, 10.1.4'),
    {
      name: 'connection-names-content-length',
      why: 'Taking the length away makes the body the next request.',
      source: abuse,
      bytes: post(['Connection: content-length', `Content-Length: ${smuggled.length}`], smuggled),
      expect: passed({ method: 'POST', body: smuggled }),
    },
    {
      name: 'connection-names-transfer-encoding',
      why: 'Taking the coding away makes the body the next request.',
      source: abuse,
      bytes: post(['Connection: transfer-encoding', 'Transfer-Encoding: chunked'], `28\r\n${smuggled}\r\n0\r\n\r\n`),
      expect: passed({ method: 'POST', body: smuggled }),
    },
    {
      name: 'connection-names-cookie',
      why: 'A named cookie ends here, like any header; it must not be kept in one place and dropped in another.',
      source: abuse,
      bytes: get('Connection: cookie', 'Cookie: a=b'),
      expect: passed(),
      haproxy: transparent,
    },
    {
      name: 'connection-names-authorization',
      why: 'The client takes away what it sent itself: the instance sees an anonymous request.',
      source: abuse,
      bytes: get('Connection: authorization', 'Authorization: Basic YTpi'),
      expect: passed(),
      haproxy: transparent,
    },
    {
      name: 'connection-close',
      why: 'Nothing behind it may be answered.',
      source: 'RFC 9112, 9.6',
      bytes: get('Connection: close'),
      expect: passedThen('closed'),
    },
    {
      name: 'connection-close-upper-case',
      why: 'Options are compared without case.',
      source: 'RFC 9112, 9.6',
      bytes: get('Connection: CLOSE'),
      expect: passedThen('closed'),
    },
    {
      name: 'connection-close-and-keep-alive',
      why: 'Close wins.',
      source: 'RFC 9112, 9.3',
      bytes: get('Connection: keep-alive, close'),
      expect: passedThen('closed'),
    },
    {
      name: 'connection-close-in-second-line',
      why: 'Close wins, wherever it stands.',
      source: 'RFC 9112, 9.3',
      bytes: get('Connection: keep-alive', 'Connection: close'),
      expect: passedThen('closed'),
    },
    {
      name: 'connection-with-nul',
      why: 'A control character in a value.',
      source: 'RFC 9110, 5.5',
      bytes: get('Connection: keep-alive\x00, close'),
      expect: refused(400),
    },
  ],
};
