import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sameJsonShape, sameShape as same } from './json-shape.ts';

describe('the shape of JSON', () => {
  it.each<[string, unknown, unknown, boolean]>([
    ['values alone', { id: 1, name: 'a', ok: true }, { ok: false, name: '', id: -1.5 }, true],
    ['a field more', { id: 1 }, { id: 1, more: 2 }, false],
    ['another name', { first: 1 }, { second: 1 }, false],
    ['another type', { id: 1 }, { id: '1' }, false],
    ['another type deep down', { a: { b: [{ c: 1 }] } }, { a: { b: [{ c: {} }] } }, false],
    ['null for something', { id: 1, of: null }, { id: 1, of: { x: 1 } }, true],
    ['a missing field for null', { id: 1, of: null }, { id: 1 }, false],
    ['an empty array for a full one', { all: [] }, { all: [{ id: 1 }] }, true],
    ['more elements of the same kind', [{ id: 1 }], [{ id: 1 }, { id: 2 }], true],
    ['an element of another kind', [{ id: 1 }], [{ id: 1 }, { error: 'x' }], false],
    ['an array for an object', { a: [] }, { a: {} }, false],
    ['a string for an array', { a: ['x'] }, { a: 'x' }, false],
  ])('is compared: %s', (_name, a, b, expected) => {
    expect(same(a, b)).toBe(expected);
    expect(same(b, a)).toBe(expected);
  });

  it('is its own, and the same seen from both sides', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(same(a, structuredClone(a))).toBe(true);
        expect(same(a, b)).toBe(same(b, a));
      }),
    );
  });

  it('does not depend on names that objects have by themselves', () => {
    expect(sameJsonShape(Buffer.from('{"__proto__":1,"constructor":2}'), Buffer.from('{}'))).toBe(false);
    expect(sameJsonShape(Buffer.from('{"toString":1}'), Buffer.from('{"toString":2}'))).toBe(true);
  });

  it('is unknown of what is no JSON, and found of what is as deep as 64 kB allow', () => {
    expect(sameJsonShape(Buffer.from('{"a":'), Buffer.from('{}'))).toBeNull();
    expect(sameJsonShape(Buffer.from(''), Buffer.from('{}'))).toBeNull();
    const deep = Buffer.from('['.repeat(32_000) + ']'.repeat(32_000));
    expect([true, null]).toContain(sameJsonShape(deep, deep));
    // Two kinds of elements on each level: as many as fit, compared all with all they would take for ever.
    const bushy = (depth: number): unknown => (depth === 0 ? 1 : [bushy(depth - 1), { a: bushy(depth - 1) }]);
    const bush = Buffer.from(JSON.stringify(bushy(12)));
    const wide = Buffer.from(`[${Array.from({ length: 5_000 }, (_, n) => `{"k${n % 300}":1}`).join(',')}]`);
    const from = performance.now();
    expect(sameJsonShape(wide, wide)).toBe(true);
    expect(bush.length).toBeGreaterThan(20_000);
    expect(sameJsonShape(bush, bush)).toBe(true);
    expect(performance.now() - from).toBeLessThan(500);
  });
});
