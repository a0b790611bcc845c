// Writes schema/veza.schema.json from the Zod schemas that `veza validate` uses. Plain JavaScript over compiled files, so
// that any Node that npm runs with can start it.
//
//   node scripts/write-schema.mjs [FOLDER]   FOLDER holds the compiled src/, default dist/
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compiled = resolve(process.argv[2] ?? join(root, 'dist'));
const { platformJsonSchema } = await import(pathToFileURL(join(compiled, 'core/spec/json-schema.js')).href);

mkdirSync(join(root, 'schema'), { recursive: true });
writeFileSync(join(root, 'schema/veza.schema.json'), `${JSON.stringify(platformJsonSchema(), null, 2)}\n`);
