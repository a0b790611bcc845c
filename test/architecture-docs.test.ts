import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

const pages = readdirSync(join(root, 'docs'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)));

/** Files that a page links to, relative to the repository; addresses and anchors within the page are left out. */
function linksOf(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8').replace(/```[\s\S]*?```/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target.replace(/#.*$/, ''))
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target))
    .map((target) => join(dirname(page), target));
}

describe('the documentation', () => {
  test.each(['README.md', 'CHANGELOG.md', ...pages])('every link in %s leads somewhere', (page) => {
    expect(linksOf(page).filter((target) => !existsSync(join(root, target)))).toEqual([]);
  });

  test('every page is in the index', () => {
    const index = new Set(linksOf('docs/README.md'));
    expect(pages.filter((page) => page !== 'docs/README.md' && !index.has(page))).toEqual([]);
  });

  test('every test that the errata name is there, and a row without one says so', () => {
    const rows = readFileSync(join(root, 'docs/guide-errata.md'), 'utf8')
      .split('\n')
      .filter((line) => /^\| \d/.test(line))
      .map(
        (line) =>
          line
            .split(/(?<!\\)\|/)
            .at(-2)
            ?.trim() ?? '',
      );
    expect(rows.length).toBeGreaterThan(30);
    const named = rows.filter((cell) => cell !== 'not yet').map((cell) => cell.replaceAll('`', ''));
    expect(named.filter((file) => !file.endsWith('.test.ts') || !existsSync(join(root, file)))).toEqual([]);
  });
});
