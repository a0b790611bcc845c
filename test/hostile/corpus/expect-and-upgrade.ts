import { get, line, passed, passedThen, post, raw, refused, smuggled, type HostileCase, type Theme } from '../case.ts';

const expectRule = 'RFC 9110, 10.1.1';
const upgradeRule = 'RFC 9110, 7.8';
const desync = 'PortSwigger, HTTP/1.1 Must Die: The Desync Endgame (2025)';
const h2c = 'Bishop Fox, h2c Smuggling (2020)';

/** Whatever is expected: the body is the body, and comes once. */
const expecting = (
  name: string,
  headers: readonly string[],
  why: string,
  statuses: readonly number[] = [417, 400],
): HostileCase => ({
  name: `expect-${name}`,
  why,
  source: desync,
  bytes: post([...headers, `Content-Length: ${smuggled.length}`], smuggled),
  expect: refused(...statuses),
});

export const expectAndUpgrade: Theme = {
  name: 'expect and upgrade',
  cases: [
    {
      name: 'expect-continue-body-at-once',
      why: 'The body does not wait for 100; it must not be taken for a request.',
      source: expectRule,
      bytes: post(['Expect: 100-continue', `Content-Length: ${smuggled.length}`], smuggled),
      expect: passed({ method: 'POST', body: smuggled }),
      haproxy: 'It passes Expect on; the gateway answers it itself.',
    },
    {
      name: 'expect-continue-case',
      why: 'The expectation is compared without case.',
      source: expectRule,
      bytes: post(['expect: 100-Continue', `Content-Length: ${smuggled.length}`], smuggled),
      expect: passed({ method: 'POST', body: smuggled }),
      haproxy: 'It passes Expect on; the gateway answers it itself.',
    },
    {
      name: 'expect-continue-chunked',
      why: 'The chunks do not wait for 100.',
      source: expectRule,
      bytes: post(['Expect: 100-continue', 'Transfer-Encoding: chunked'], `28\r\n${smuggled}\r\n0\r\n\r\n`),
      expect: passed({ method: 'POST', body: smuggled }),
      haproxy: 'It passes Expect on; the gateway answers it itself.',
    },
    {
      name: 'expect-continue-without-body',
      why: 'There is no body to wait for: what follows is the next request.',
      source: desync,
      bytes: get('Expect: 100-continue'),
      expect: passed(),
      haproxy: 'It passes Expect on; the gateway answers it itself.',
    },
    {
      name: 'expect-continue-length-zero',
      why: 'There is no body to wait for: what follows is the next request.',
      source: desync,
      bytes: post(['Expect: 100-continue', 'Content-Length: 0'], smuggled),
      expect: passed({ method: 'POST' }, { target: '/smuggled' }),
      haproxy: 'It passes Expect on; the gateway answers it itself.',
    },
    {
      name: 'expect-continue-http-1-0',
      why: 'HTTP/1.0 knows no expectations: it must be ignored.',
      source: expectRule,
      bytes: `${raw('POST /hostile HTTP/1.0', 'Host: a.test', 'Expect: 100-continue', 'Content-Length: 5')}hello`,
      expect: passedThen('closed', { method: 'POST', body: 'hello' }),
      haproxy: 'It passes Expect on; the gateway drops it.',
    },
    expecting('unknown', ['Expect: the-unexpected'], 'An expectation that nobody knows: 417.'),
    expecting('obfuscated', ['Expect: y 100-continue'], 'Half known: one reader waits for 100, the other sends.'),
    expecting('list', ['Expect: 100-continue, 100-continue'], 'A list of expectations.'),
    expecting('twice', ['Expect: 100-continue', 'Expect: 100-continue'], 'Two lines are a list.'),
    expecting('folded', ['Expect:\r\n 100-continue'], 'A folded expectation.', [400]),
    expecting('with-parameter', ['Expect: 100-continue;a=b'], 'An expectation with a parameter.'),
    {
      name: 'upgrade-h2c',
      why: 'An instance that speaks h2c would take the connection over, past all rules of the router.',
      source: h2c,
      bytes: get('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA'),
      expect: passedThen('either'),
      haproxy: 'It passes h2c on unless told otherwise.',
    },
    {
      name: 'upgrade-h2c-without-settings',
      why: 'The same without HTTP2-Settings, which lenient instances do not ask for.',
      source: h2c,
      bytes: get('Connection: Upgrade', 'Upgrade: h2c'),
      expect: passedThen('either'),
      haproxy: 'It passes h2c on unless told otherwise.',
    },
    {
      name: 'upgrade-h2c-upper-case',
      why: 'Names of protocols are compared without case by some.',
      source: h2c,
      bytes: get('Connection: upgrade', 'Upgrade: H2C'),
      expect: passedThen('either'),
      haproxy: 'It passes h2c on unless told otherwise.',
    },
    {
      name: 'upgrade-h2c-in-list',
      why: 'h2c behind another protocol.',
      source: h2c,
      bytes: get('Connection: Upgrade', 'Upgrade: websocket, h2c'),
      expect: passedThen('either'),
      haproxy: 'It passes h2c on unless told otherwise.',
    },
    {
      name: 'upgrade-not-named',
      why: 'Upgrade counts only when Connection names it.',
      source: upgradeRule,
      bytes: get('Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13'),
      expect: passedThen('either', {
        headers: [
          ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
          ['sec-websocket-version', '13'],
        ],
      }),
      haproxy: 'It drops the headers of the WebSocket with Upgrade, or passes all of them.',
    },
    {
      name: 'upgrade-refused-by-instance',
      why: 'The instance does not switch: what follows is HTTP for both, and no tunnel is open.',
      source: '0ang3el, What is wrong with WebSocket APIs (2019)',
      bytes: get(
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version: 1777',
      ),
      expect: passedThen('either', {
        headers: [
          ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
          ['sec-websocket-version', '1777'],
          ['upgrade', 'websocket'],
        ],
      }),
    },
    {
      name: 'upgrade-in-http-1-0',
      why: 'HTTP/1.0 cannot upgrade.',
      source: upgradeRule,
      bytes: raw('GET /hostile HTTP/1.0', 'Host: a.test', 'Connection: Upgrade', 'Upgrade: websocket'),
      expect: passedThen('closed'),
      haproxy: 'It passes Upgrade on.',
    },
    {
      name: 'upgrade-with-body',
      why: 'A body in front of the new protocol: a request hidden in it must stay body, or the whole be refused.',
      source: upgradeRule,
      bytes:
        line(
          'POST /hostile HTTP/1.1',
          'Connection: Upgrade',
          'Upgrade: websocket',
          `Content-Length: ${smuggled.length}`,
        ) + smuggled,
      expect: passedThen('either', { method: 'POST', body: smuggled }),
      haproxy: 'It refuses, or passes Upgrade on.',
    },
    {
      name: 'upgrade-tls',
      why: 'TLS inside of a plain connection, past the rules of the router.',
      source: 'RFC 2817',
      bytes: get('Connection: Upgrade', 'Upgrade: TLS/1.0'),
      expect: passedThen('either'),
      haproxy: 'It passes Upgrade on.',
    },
  ],
};
