import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isLoopbackRegistry, readReference, referenceText, type ImageReference } from './reference.ts';

const digest = `sha256:${'0a'.repeat(32)}`;

describe('references to images', () => {
  it.each([
    ['registry.example/team/api', { registry: 'registry.example', repository: 'team/api', tag: null, digest: null }],
    ['localhost:5000/api:rel_1', { registry: 'localhost:5000', repository: 'api', tag: 'rel_1', digest: null }],
    [`127.0.0.1:1/a/b:1@${digest}`, { registry: '127.0.0.1:1', repository: 'a/b', tag: '1', digest }],
    [`[::1]:5000/a@${digest}`, { registry: '[::1]:5000', repository: 'a', tag: null, digest }],
    ['registry:5000/a', { registry: 'registry:5000', repository: 'a', tag: null, digest: null }],
  ])('reads %s', (text, expected) => {
    expect(readReference(text)).toEqual(expected);
    expect(referenceText(readReference(text) as ImageReference)).toBe(text);
  });

  it.each([
    ['api', 'host of a registry'],
    ['team/api', 'host of a registry'],
    ['registry.example/', 'names in a registry'],
    ['registry.example/Team/api', 'names in a registry'],
    ['registry.example/a/../b', 'names in a registry'],
    ['registry.example/a//b', 'names in a registry'],
    ['registry.example/a:', 'is no tag'],
    ['registry.example/a:b/c', 'is no tag'],
    ['registry.example/a@sha256:1', '64 hexadecimal digits'],
    [`registry.example/a@${digest}@${digest}`, 'more than one @'],
    ['https://registry.example/a', 'host of a registry'],
    ['user:secret@registry.example/a', 'hexadecimal'],
  ])('refuses %s', (text, why) => {
    expect(readReference(text)).toEqual({ wrong: expect.stringContaining(why) });
  });

  it('refuses or gives back whatever text there is', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'Z', '1', '.', '/', ':', '@', '-', '_', '[', ']') }),
        (text) => {
          const read = readReference(text);
          if (!('wrong' in read))
            expect(referenceText(read)).toBe(text.replace(/^[^/]*/, (host) => host.toLowerCase()));
        },
      ),
    );
  });

  it('knows which registries are on this machine', () => {
    expect(['localhost:5000', '127.0.0.1', '[::1]:1'].every(isLoopbackRegistry)).toBe(true);
    expect(['localhost.example', '127.example', '10.0.0.1:5000'].some(isLoopbackRegistry)).toBe(false);
  });
});
