import { line, passed, raw, refused, type HostileCase, type Theme } from '../case.ts';

const rule = 'RFC 9112, 3';

const bad = (name: string, requestLine: string, why: string, statuses = [400], source = rule): HostileCase => ({
  name: `request-line-${name}`,
  why,
  source,
  bytes: line(requestLine),
  expect: refused(...statuses),
});

export const requestLine: Theme = {
  name: 'request line',
  cases: [
    bad('two-spaces', 'GET  /hostile HTTP/1.1', 'An empty target between two spaces for some.'),
    bad('two-spaces-before-version', 'GET /hostile  HTTP/1.1', 'Lenient readers split at any white space.'),
    bad('tab', 'GET\t/hostile\tHTTP/1.1', 'Lenient readers split at any white space.'),
    bad('vertical-tab', 'GET\x0b/hostile\x0bHTTP/1.1', 'Lenient readers split at any white space.'),
    bad('form-feed', 'GET /hostile\x0cHTTP/1.1', 'Lenient readers split at any white space.'),
    bad('no-break-space', 'GET\xa0/hostile HTTP/1.1', 'White space in Latin-1.'),
    bad('space-before', ' GET /hostile HTTP/1.1', 'An empty method, or skipped.'),
    bad('tab-before', '\tGET /hostile HTTP/1.1', 'Skipped by some.'),
    bad('space-behind', 'GET /hostile HTTP/1.1 ', 'Part of the version, or skipped.'),
    bad('tab-behind', 'GET /hostile HTTP/1.1\t', 'Part of the version, or skipped.'),
    bad('extra-word', 'GET /hostile HTTP/1.1 extra', 'Four words.'),
    bad(
      'space-in-target',
      'GET /hostile HTTP/1.1 HTTP/1.1',
      'The target holds a space and a version for what reads from the right.',
      [400, 505],
      `${rule}.2`,
    ),
    bad(
      'request-in-target',
      'GET /hostile HTTP/1.1%0d GET /smuggled HTTP/1.1',
      'A second request in the line.',
      [400, 505],
      `${rule}.2`,
    ),
    bad('without-target', 'GET HTTP/1.1', 'The version becomes the target.'),
    bad('without-method', '/hostile HTTP/1.1', 'The target becomes the method.'),
    bad('only-method', 'GET', 'One word.'),
    bad('empty-target', 'GET  HTTP/1.1', 'An empty target.'),
    bad('only-space', ' ', 'A line of white space.'),
    bad('nul-in-method', 'G\x00ET /hostile HTTP/1.1', 'NUL in the method.'),
    bad('nul-in-target', 'GET /hos\x00tile HTTP/1.1', 'NUL in the target: another path in C.'),
    bad('nul-behind', 'GET /hostile HTTP/1.1\x00', 'NUL behind the version.'),
    bad('byte-order-mark', '\xef\xbb\xbfGET /hostile HTTP/1.1', 'A byte order mark in front.'),
    bad('quoted-target', 'GET "/hostile" HTTP/1.1', 'A quoted target.'),
    {
      name: 'request-line-lowercase-version',
      why: 'The name of the protocol is compared with case.',
      source: 'RFC 9112, 2.3',
      bytes: raw('GET /hostile http/1.1', 'Host: a.test'),
      expect: refused(400, 505),
    },
    {
      name: 'request-line-longest-usual-target',
      why: 'A target of 8,000 bytes must pass.',
      source: 'RFC 9112, 3',
      bytes: line(`GET /${'a'.repeat(7_999)} HTTP/1.1`),
      expect: passed({ target: `/${'a'.repeat(7_999)}` }),
    },
  ],
};
