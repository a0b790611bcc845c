import { describe, expect, it } from 'vitest';
import type { Digest, Name } from '../units/quantities.ts';
import { identityText, parseReleasePrefix } from './identity.ts';

const identity = {
  service: 'api' as Name,
  artifact: 'sha256:a' as Digest,
  configuration: 'sha256:c' as Digest,
  dirty: false,
};

describe('the identity of a release', () => {
  it('differs when the service, the artifact, the configuration or its being dirty differs', () => {
    const texts = [
      identity,
      { ...identity, service: 'web' as Name },
      { ...identity, artifact: 'sha256:b' as Digest },
      { ...identity, configuration: 'sha256:d' as Digest },
      { ...identity, dirty: true },
    ].map((one) => identityText(one));
    expect(new Set(texts).size).toBe(5);
    expect(identityText({ ...identity })).toBe(identityText(identity));
  });

  it.each([
    ['rel_12ab', 'rel_12ab'],
    ['12AB', 'rel_12ab'],
    ['  rel_0 ', 'rel_0'],
    ['rel_0123456789abcdef0123', 'rel_0123456789abcdef0123'],
    ['rel_0123456789abcdef01234', null],
    ['', null],
    ['rel_', null],
    ['latest', null],
    ['%', null],
  ])('is looked for by %j as %j', (typed, prefix) => {
    expect(parseReleasePrefix(typed)).toBe(prefix);
  });
});
