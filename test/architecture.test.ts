import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DIRECTIONS, partOf, refusal } from '../scripts/lint/directions.ts';

// The same rules as the linter's, found by other means: read from the text of the sources. What the linter misses, because
// somebody switched a rule off in a file or broke its configuration, is found here.

const root = join(import.meta.dirname, '..');

const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'));
const text = new Map(sources.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
const product = sources.filter((file) => !file.endsWith('.test.ts'));

const withoutComments = (source: string): string => source.replace(/\/\*[\s\S]*?\*\/|(^|[^:'"`])\/\/[^\n]*/g, '$1');
const withoutStrings = (source: string): string => source.replace(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, "''");

/** Module specifiers of a file: imports, re-exports, dynamic and type imports. */
function importsOf(file: string): string[] {
  const source = withoutComments(text.get(file) ?? '');
  const matches = source.matchAll(
    /\b(?:import|export)\s[^;'"()]*?from\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g,
  );
  return [...matches].map(([, from, bare]) => from ?? bare ?? '');
}

/** Files of src/ that a file imports. Text that only looks like an import names no file, and falls out here. */
function edgesOf(file: string): string[] {
  return importsOf(file)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => posix.join(posix.dirname(file), specifier))
    .filter((target) => text.has(target));
}

/** Import cycles, each as the path that leads back to its start. */
function cycles(): string[] {
  const state = new Map<string, 'open' | 'done'>();
  const found: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      found.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      return;
    }
    state.set(file, 'open');
    for (const target of edgesOf(file)) visit(target, [...path, file]);
    state.set(file, 'done');
  };
  for (const file of sources) visit(file, []);
  return found;
}

describe('the table of directions', () => {
  test('it has a line for every part of src/, and none for a part that nobody has heard of', () => {
    const parts = new Set(sources.map((file) => partOf(file)));
    expect([...parts].filter((part) => part === null || DIRECTIONS[part] === undefined)).toEqual([]);
    for (const allowed of Object.values(DIRECTIONS)) {
      expect(allowed.filter((part) => DIRECTIONS[part] === undefined)).toEqual([]);
    }
  });

  test('it points one way: no part imports, over any number of steps, a part that imports it', () => {
    const reachable = (part: string, seen = new Set<string>()): Set<string> => {
      for (const next of DIRECTIONS[part] ?? []) if (!seen.has(next)) reachable(next, seen.add(next));
      return seen;
    };
    expect(Object.keys(DIRECTIONS).filter((part) => reachable(part).has(part))).toEqual([]);
  });
});

describe('the sources', () => {
  test('given the scanner of this test, it sees the imports there are', () => {
    // A scanner that finds nothing would pass everything below.
    expect(product.length).toBeGreaterThan(20);
    expect(sources.flatMap((file) => edgesOf(file)).length).toBeGreaterThan(product.length);
  });

  test('every import follows the table', () => {
    const wrong = sources.flatMap((file) =>
      edgesOf(file).flatMap((target) => {
        const reason = refusal(file, target);
        return reason === null ? [] : [`${file} imports ${target}: ${reason}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  test('no import leads back to where it started, not even of types alone', () => {
    expect(cycles()).toEqual([]);
  });

  test('no file but the face of the package only re-exports', () => {
    const barrels = product
      .filter((file) => file !== 'src/index.ts')
      .filter((file) => {
        const rest = withoutComments(text.get(file) ?? '').replace(/\bexport\s[^;'"]*?from\s*['"][^'"]+['"];?/g, '');
        return rest.trim() === '' && (text.get(file) ?? '').includes('export');
      });
    expect(barrels).toEqual([]);
  });

  test('no file is over 500 lines, but for the list of errors', () => {
    const long = sources
      .filter((file) => file !== 'src/errors.ts')
      .map((file) => ({ file, lines: (text.get(file) ?? '').trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > 500);
    expect(long).toEqual([]);
  });

  test('the core imports no package but zod, nothing of Node, and uses no clock, chance, process or timer', () => {
    const impure =
      /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bprocess\.|\b(setTimeout|setInterval|setImmediate|queueMicrotask|fetch)\(|\bperformance\.|\bcrypto\.|\bawait\b|\bconsole\./;
    const wrong = product
      .filter((file) => partOf(file) === 'core')
      .flatMap((file) => {
        const code = withoutStrings(withoutComments(text.get(file) ?? ''));
        const packages = importsOf(file).filter((specifier) => !specifier.startsWith('.') && specifier !== 'zod');
        return [
          ...packages.map((specifier) => `${file} imports ${specifier}`),
          ...(impure.exec(code) ?? []).slice(0, 1).map((found) => `${file} uses ${found}`),
        ];
      });
    expect(wrong).toEqual([]);
  });

  test('nobody builds a string for a shell', () => {
    const wrong = product.filter((file) => {
      const code = withoutComments(text.get(file) ?? '');
      return (
        /\bshell:\s*(true|['"`])/.test(code) ||
        /import\s*\{[^}]*\bexec(Sync)?\b[^}]*\}\s*from\s*['"](node:)?child_process/.test(code)
      );
    });
    expect(wrong).toEqual([]);
  });
});
