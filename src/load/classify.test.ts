import { describe, expect, it } from 'vitest';
import { answererOf, classifyAnswer, classifyFailure, closedProperly } from './classify.ts';

describe('an answer', () => {
  it('is expected when its status is', () => {
    expect(classifyAnswer(200, { 'x-veza-release': 'rel_1' }, 200)).toEqual({ verdict: 'expected' });
  });

  it('with 5xx is failed by the release that signed it', () => {
    expect(classifyAnswer(500, { 'x-veza-release': 'rel_1', 'x-demo-release': 'web v3' }, 200)).toEqual({
      verdict: 'failed-by-release',
      release: 'rel_1',
    });
    expect(classifyAnswer(503, { 'x-demo-release': 'web v3' }, 200)).toMatchObject({ release: 'web v3' });
  });

  it('with 5xx names the release further down the chain when that one failed', () => {
    const headers = { 'x-veza-release': 'rel_web', 'x-demo-failed-by': 'rel_worker' };
    expect(classifyAnswer(502, headers, 200)).toEqual({ verdict: 'failed-by-release', release: 'rel_worker' });
  });

  it('is lost when the router made it, even with a release named', () => {
    const headers = { 'x-veza-error': 'no-endpoint', 'x-veza-release': 'rel_1' };
    expect(classifyAnswer(503, headers, 200)).toMatchObject({ verdict: 'lost', kind: 'proxy-error' });
    expect(classifyAnswer(404, headers, 200)).toMatchObject({ verdict: 'lost', kind: 'proxy-error' });
  });

  it('with 5xx that no instance signed is lost', () => {
    expect(classifyAnswer(502, {}, 200)).toMatchObject({ verdict: 'lost', kind: 'proxy-error' });
  });

  it('is lost when the instance could not reach another service', () => {
    const headers = { 'x-demo-lost': 'call to api: ECONNRESET', 'x-veza-release': 'rel_web' };
    expect(classifyAnswer(502, headers, 200)).toMatchObject({ verdict: 'lost', kind: 'internal-call' });
  });

  it('with any other status than the one it must have is unexpected', () => {
    expect(classifyAnswer(404, {}, 200)).toMatchObject({ verdict: 'unexpected' });
    expect(classifyAnswer(200, {}, 201)).toMatchObject({ verdict: 'unexpected' });
    expect(classifyAnswer(301, {}, 200)).toMatchObject({ verdict: 'unexpected' });
  });

  it('belongs to the release that the router names, with the name that the service gives', () => {
    expect(answererOf({ 'x-veza-release': 'rel_1', 'x-demo-release': 'web v1' })).toEqual({
      release: 'rel_1',
      name: 'web v1',
    });
    expect(answererOf({ 'x-demo-release': 'web v1' })).toEqual({ release: 'web v1', name: 'web v1' });
    expect(answererOf({})).toEqual({ release: null, name: null });
  });
});

describe('a failed exchange', () => {
  it.each([
    ['ECONNREFUSED', 'connecting', 'refused'],
    ['EHOSTUNREACH', 'connecting', 'refused'],
    ['ECONNRESET', 'connecting', 'reset'],
    ['ECONNRESET', 'waiting', 'reset'],
    ['EPIPE', 'waiting', 'reset'],
    ['UND_UNKNOWN', 'waiting', 'reset'],
    ['ECONNRESET', 'receiving', 'cut-short'],
    ['HPE_INVALID_EOF_STATE', 'receiving', 'cut-short'],
    ['ETIMEDOUT', 'connecting', 'timeout'],
    ['ETIMEDOUT', 'receiving', 'timeout'],
    ['HPE_INVALID_CONSTANT', 'waiting', 'malformed'],
    ['EMFILE', 'connecting', 'client-limit'],
    ['EADDRNOTAVAIL', 'connecting', 'client-limit'],
  ] as const)('%s while %s is lost as %s', (code, phase, kind) => {
    expect(classifyFailure(code, phase)).toBe(kind);
  });
});

describe('a closed WebSocket', () => {
  it.each([
    [1001, false, true],
    [1012, false, true],
    [1001, true, true],
    [1000, true, true],
    [1000, false, false],
    [1005, true, false],
    [1006, false, false],
    [1006, true, false],
    [1011, false, false],
  ])('with %i, closed by us: %s, is proper: %s', (code, closedByUs, proper) => {
    expect(closedProperly(code, closedByUs)).toBe(proper);
  });
});
