import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { apiPage, cliPage, exitCodesPage } from '../../scripts/reference-pages.ts';
import { contract } from '../api/contract.ts';
import { ExitStatus } from '../errors.ts';

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('the reference pages', () => {
  it.each([
    ['docs/cli.md', () => cliPage()],
    ['docs/api.md', () => apiPage()],
    ['docs/exit-codes.md', async () => exitCodesPage(await read('src/errors.ts'))],
  ])('%s is what `node scripts/write-reference.ts` writes', async (path, page) => {
    expect(await read(path)).toBe(await page());
  });

  it('have every exit status, every error class, every endpoint', async () => {
    const [codes, api, errors] = await Promise.all([
      read('docs/exit-codes.md'),
      read('docs/api.md'),
      read('src/errors.ts'),
    ]);
    for (const [name, status] of Object.entries(ExitStatus)) expect(codes).toContain(`| ${status} | \`${name}\` |`);
    const declared = [...errors.matchAll(/readonly code = '([^']+)'/g)].map(([, code = '']) => code);
    expect(declared.length).toBeGreaterThan(20);
    for (const code of declared) expect(codes).toContain(`| \`${code}\` |`);
    for (const { method, path } of Object.values(contract)) expect(api).toContain(`### \`${method} ${path}\``);
  });
});
