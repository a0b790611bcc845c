import fc from 'fast-check';
import { expect, it } from 'vitest';
import { finalTree } from './final-tree.ts';
import type { ImageEntry } from './inspection.ts';

const path = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const kind = fc.constantFrom('file' as const, 'folder' as const, 'whiteout' as const, 'opaque' as const);
const layers = fc.array(
  fc.uniqueArray(fc.record({ path, kind }), { selector: (one) => `${one.path} ${one.kind}`, maxLength: 5 }),
  { maxLength: 4 },
);

/** The specification word for word, on a plain map: slow and simple. */
function slowly(all: readonly (readonly Pick<ImageEntry, 'path' | 'kind'>[])[]): readonly string[] {
  const tree = new Map<string, string>();
  const removeBelow = (folder: string): void => {
    for (const known of tree.keys()) if (known.startsWith(`${folder}/`)) tree.delete(known);
  };
  for (const layer of all) {
    for (const one of layer) {
      if (one.kind === 'whiteout') tree.delete(one.path);
      if (one.kind === 'whiteout' || one.kind === 'opaque') removeBelow(one.path);
    }
    for (const one of layer) {
      if (one.kind === 'whiteout' || one.kind === 'opaque') continue;
      if (one.kind !== 'folder') removeBelow(one.path);
      tree.set(one.path, one.kind);
    }
  }
  return [...tree].map(([at, what]) => `${at} ${what}`).sort();
}

it('lays layers over each other as the specification says', () => {
  fc.assert(
    fc.property(layers, (all) => {
      const entries = all.flatMap((layer, index) =>
        layer.map((one) => ({
          ...one,
          layer: index,
          size: 1,
          mode: 0o644,
          uid: 0,
          gid: 0,
          target: null,
          capable: false,
        })),
      );
      const found = [...finalTree(entries).values()].map((entry) => `${entry.path} ${entry.kind}`).sort();
      expect(found).toEqual(slowly(all));
    }),
    { numRuns: 500 },
  );
});
