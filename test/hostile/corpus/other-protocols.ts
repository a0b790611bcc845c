import { refused, type HostileCase, type Theme } from '../case.ts';

const other = (
  name: string,
  bytes: string,
  why: string,
  source: string,
  statuses = [400, 501, 505],
  alone = false,
): HostileCase => ({
  name: `protocol-${name}`,
  why,
  source,
  bytes,
  expect: refused(...statuses),
  ...(alone ? { alone } : {}),
});

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export const otherProtocols: Theme = {
  name: 'other protocols',
  cases: [
    other('http-0-9', 'GET /hostile\r\n', 'HTTP/0.9 has no head; its answer would have none either.', 'RFC 9112, 2.3'),
    other('http-0-9-lf', 'GET /hostile\n', 'HTTP/0.9 with a bare LF.', 'RFC 9112, 2.3'),
    other('http-0-9-empty-line', 'GET /hostile\r\n\r\n', 'HTTP/0.9 with an empty line behind.', 'RFC 9112, 2.3'),
    other(
      'http-0-9-with-headers',
      'GET /hostile\r\nHost: a.test\r\n\r\n',
      'No version but headers: taken for HTTP/1.0 by some.',
      'RFC 9112, 2.3',
    ),
    other(
      'http-2-preface',
      preface,
      'The preface of HTTP/2 on the plain port: PRI must reach no instance.',
      'RFC 9113, 3.4',
    ),
    other(
      'http-2-preface-and-settings',
      `${preface}\x00\x00\x00\x04\x00\x00\x00\x00\x00`,
      'The preface with frames behind.',
      'RFC 9113, 3.4',
    ),
    other(
      'http-2-frames',
      '\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\x00\x04\x00\x00\xff\xff',
      'Frames without preface.',
      'RFC 9113, 4.1',
    ),
    other(
      'http-2-preface-as-1-1',
      'PRI * HTTP/1.1\r\nHost: a.test\r\n\r\n',
      'The method of the preface in HTTP/1.1.',
      'RFC 9113, 11.6',
    ),
    other(
      'answer-as-request',
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      'An answer where a request should be.',
      'RFC 9112, 2.1',
    ),
    other(
      'proxy-v1',
      'PROXY TCP4 10.0.0.1 10.0.0.2 1234 80\r\nGET /hostile HTTP/1.1\r\nHost: a.test\r\n\r\n',
      'A user who says where he came from.',
      'HAProxy, The PROXY protocol',
    ),
    other(
      'proxy-v2',
      '\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x0a\x00\x00\x01\x0a\x00\x00\x02\x04\xd2\x00\x50GET /hostile HTTP/1.1\r\nHost: a.test\r\n\r\n',
      'The same in binary; it begins with two empty lines.',
      'HAProxy, The PROXY protocol',
    ),
    other(
      'tls-client-hello',
      '\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03abcdefghijklmnopqrstuvwxyz012345\x00\x00\x04\x13\x01\x13\x02\x01\x00\r\n\r\n',
      'TLS on the plain port.',
      'RFC 8446, 4.1.2',
    ),
    other(
      'smtp',
      'EHLO a.test\r\nMAIL FROM:<a@a.test>\r\n\r\n',
      'Mail through an HTTP gateway.',
      'Cross-protocol scripting',
    ),
    other('ssh', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'SSH on the plain port.', 'RFC 4253, 4.2'),
    other('redis', '*1\r\n$4\r\nPING\r\n\r\n', 'Redis on the plain port.', 'Cross-protocol scripting'),
    other(
      'fastcgi',
      '\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\r\n\r\n',
      'FastCGI on the plain port.',
      'Cross-protocol scripting',
    ),
    other('nul-bytes', `${'\x00'.repeat(100)}\r\n\r\n`, 'NUL bytes.', 'RFC 9112, 2.1'),
    other('high-bytes', `${'\xff'.repeat(100)}\r\n\r\n`, 'Bytes of no text.', 'RFC 9112, 2.1'),
    other('json', '{"a":1}\r\n\r\n', 'JSON without HTTP.', 'RFC 9112, 2.1'),
    other('html', '<!doctype html>\r\n\r\n', 'Markup without HTTP.', 'RFC 9112, 2.1'),
  ],
};
