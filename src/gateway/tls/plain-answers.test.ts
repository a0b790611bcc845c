import { expect, test } from 'vitest';
import { challengeAnswer } from './challenge-answer.ts';
import { hstsHeader } from './hsts.ts';

test.each([
  [{ maxAgeSeconds: 300, includeSubDomains: false, preload: false }, 'max-age=300'],
  [
    { maxAgeSeconds: 63_072_000, includeSubDomains: true, preload: true },
    'max-age=63072000; includeSubDomains; preload',
  ],
  [null, null],
])('strict-transport-security of %o is %s', (hsts, expected) => {
  expect(hstsHeader({ hsts })).toBe(expected);
});

test.each([
  ['/.well-known/acme-challenge/abcDEF_-123', 'abcDEF_-123.key'],
  ['/.well-known/acme-challenge/abcDEF_-124', null],
  ['/.well-known/acme-challenge/', null],
  ['/.well-known/acme-challenge/abcDEF_-123/', null],
  ['/.well-known/acme-challenge/../abcDEF_-123', null],
  ['/.well-known/acme-challenge/__proto__', null],
  ['/.well-known/acme-challenge/constructor', null],
  ['/x/.well-known/acme-challenge/abcDEF_-123', null],
])('the challenge at %s is answered with %s', (path, expected) => {
  expect(challengeAnswer(path, { 'abcDEF_-123': 'abcDEF_-123.key' })).toBe(expected);
});
