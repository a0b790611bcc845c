import { readFile, writeFile } from 'node:fs/promises';
import { apiPage, cliPage, exitCodesPage } from './reference-pages.ts';

// Writes docs/cli.md, docs/api.md and docs/exit-codes.md from what they describe.

const root = new URL('..', import.meta.url);
await writeFile(new URL('docs/cli.md', root), cliPage());
await writeFile(new URL('docs/api.md', root), apiPage());
await writeFile(
  new URL('docs/exit-codes.md', root),
  exitCodesPage(await readFile(new URL('src/errors.ts', root), 'utf8')),
);
