import { describe, expect, test } from 'vitest';
import { classifyAnswer, classifyFailure, closedProperly } from './classify.ts';

describe('what an answer means', () => {
  test.each([
    [200, {}, [200], true, 'expected'],
    [412, { 'x-veza-release': 'rel_1' }, [412], true, 'expected'],
    [404, { 'x-veza-release': 'rel_1' }, [200], true, 'unexpected'],
    [401, { 'x-veza-release': 'rel_1' }, [200], true, 'logged-out'],
    [401, { 'x-veza-release': 'rel_1' }, [200], false, 'unexpected'],
    [500, { 'x-veza-release': 'rel_1' }, [200], true, 'failed-by-release'],
    [503, {}, [200], true, 'lost'],
    [502, { 'x-veza-error': 'no-instance', 'x-veza-release': 'rel_1' }, [200], true, 'lost'],
    [404, { 'x-veza-error': 'no-route' }, [200], true, 'lost'],
  ])('%i %o to who expects %o, signed in %s: %s', (status, headers, expected, signedIn, verdict) => {
    expect(classifyAnswer(status, headers, expected, signedIn).verdict).toBe(verdict);
  });
});

describe('what a failure means', () => {
  test.each([
    ['ECONNREFUSED', 'connecting', 'refused'],
    ['ECONNRESET', 'waiting', 'reset'],
    ['ECONNRESET', 'receiving', 'cut-short'],
    ['ETIMEDOUT', 'waiting', 'timeout'],
    ['HPE_INVALID_CONSTANT', 'waiting', 'malformed'],
    ['EADDRNOTAVAIL', 'connecting', 'client-limit'],
    ['SOMETHING', 'connecting', 'refused'],
    ['SOMETHING', 'waiting', 'reset'],
  ] as const)('%s while %s: %s', (code, phase, kind) => {
    expect(classifyFailure(code, phase)).toBe(kind);
  });
});

test('a WebSocket may be closed because its server goes away, or by us', () => {
  expect([1001, 1012].map((code) => closedProperly(code, false))).toEqual([true, true]);
  expect([1000, 1006, 1011, 1013, 4401].map((code) => closedProperly(code, false))).toEqual([
    false,
    false,
    false,
    false,
    false,
  ]);
  expect(closedProperly(1000, true)).toBe(true);
});
