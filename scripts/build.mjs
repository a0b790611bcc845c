// Compiles src/ to dist/, writes what is generated from it (the JSON Schema of veza.config.ts), and swaps the result in:
// a process that starts meanwhile finds the old dist/ or the new one, never a mixture.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const cache = join(root, 'node_modules/.cache/veza');

/** Runs a Node program; its failure is ours. */
function run(program, args) {
  const { status, error } = spawnSync(process.execPath, [program, ...args], { cwd: root, stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ended with status ${status}`);
}

// On the same file system as dist/, so that the swap is a rename, and where no other tool looks.
mkdirSync(cache, { recursive: true });
const building = mkdtempSync(join(cache, 'build-'));
try {
  const compiled = join(building, 'dist');
  run(join(root, 'node_modules/typescript/bin/tsc'), ['-p', 'tsconfig.build.json', '--outDir', compiled]);
  for (const program of ['cli/main.js']) chmodSync(join(compiled, program), 0o755);
  run(join(root, 'scripts/write-schema.mjs'), [compiled]);

  // Node cannot exchange two folders in one step: between the renames dist/ is absent, and a start then fails loudly.
  if (existsSync(dist)) renameSync(dist, join(building, 'previous'));
  renameSync(compiled, dist);
} catch (error) {
  console.error(`build: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(building, { recursive: true, force: true });
}
