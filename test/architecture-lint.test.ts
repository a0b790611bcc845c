import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

// A lint rule that never fires looks like a clean project. Here the project's own configuration meets files that break it,
// each in the place in src/ that makes it wrong, and files beside them that are right.

const root = join(import.meta.dirname, '..');

const declares = 'export const here = 1;\n';
const importing = (path: string): string => `import { here } from '${path}';\nexport const it = here;\n`;
const exporting = (expression: string): string => `export const it = (): unknown => ${expression};\n`;

interface Fixture {
  readonly path: string;
  readonly source: string;
}

const wrong: readonly (Fixture & { readonly rule: string })[] = [
  // directions
  { path: 'src/core/a/to-engine.ts', source: importing('../../engine/target.ts'), rule: 'veza(import-directions)' },
  { path: 'src/core/a/to-errors.ts', source: importing('../../errors.ts'), rule: 'veza(import-directions)' },
  {
    path: 'src/core/a/type-of.ts',
    source: "export type It = typeof import('../../engine/target.ts').here;\n",
    rule: 'veza(import-directions)',
  },
  {
    path: 'src/core/a/re-export.ts',
    source: "export { here } from '../../store/target.ts';\nexport const it = 1;\n",
    rule: 'veza(import-directions)',
  },
  {
    path: 'src/drivers/runtime/docker/other-driver.ts',
    source: importing('../process/target.ts'),
    rule: 'veza(import-directions)',
  },
  {
    path: 'src/drivers/runtime/names-a-driver.ts',
    source: importing('./process/target.ts'),
    rule: 'veza(import-directions)',
  },
  {
    path: 'src/drivers/router/gateway/other-kind.ts',
    source: importing('../../runtime/process/target.ts'),
    rule: 'veza(import-directions)',
  },
  {
    path: 'src/drivers/router/gateway/to-gateway.ts',
    source: importing('../../../gateway/target.ts'),
    rule: 'veza(import-directions)',
  },
  {
    path: 'src/drivers/router/gateway/to-store.ts',
    source: importing('../../../store/target.ts'),
    rule: 'veza(import-directions)',
  },
  {
    path: 'src/gateway/to-drivers.ts',
    source: importing('../drivers/runtime/process/target.ts'),
    rule: 'veza(import-directions)',
  },
  { path: 'src/store/to-engine.ts', source: importing('../engine/target.ts'), rule: 'veza(import-directions)' },
  { path: 'src/build/to-store.ts', source: importing('../store/target.ts'), rule: 'veza(import-directions)' },
  { path: 'src/engine/to-server.ts', source: importing('../server/target.ts'), rule: 'veza(import-directions)' },
  { path: 'src/engine/to-gateway.ts', source: importing('../gateway/target.ts'), rule: 'veza(import-directions)' },
  { path: 'src/api/to-server.ts', source: importing('../server/target.ts'), rule: 'veza(import-directions)' },
  { path: 'src/server/to-cli.ts', source: importing('../cli/target.ts'), rule: 'veza(import-directions)' },
  {
    path: 'src/cli/commands/to-engine.ts',
    source: importing('../../engine/target.ts'),
    rule: 'veza(import-directions)',
  },
  {
    path: 'src/cli/commands/lazily.ts',
    source: "export const it = (): Promise<unknown> => import('../../server/target.ts');\n",
    rule: 'veza(import-directions)',
  },
  { path: 'src/engine/outside.ts', source: importing('../../test/target.ts'), rule: 'veza(import-directions)' },
  { path: 'src/elsewhere/unknown-part.ts', source: importing('../core/target.ts'), rule: 'veza(import-directions)' },
  // the platform that is deployed stands alone
  {
    path: 'src/engine/to-platform.ts',
    source: importing('../../platform/kit/target.ts'),
    rule: 'veza(import-directions)',
  },
  {
    path: 'src/engine/to-platform.test.ts',
    source: importing('../../platform/kit/target.ts'),
    rule: 'veza(import-directions)',
  },
  { path: 'platform/api/to-src.ts', source: importing('../../src/core/target.ts'), rule: 'veza(import-directions)' },
  {
    path: 'platform/api/to-src.test.ts',
    source: importing('../../src/core/target.ts'),
    rule: 'veza(import-directions)',
  },
  { path: 'platform/kit/to-api.ts', source: importing('../api/target.ts'), rule: 'veza(import-directions)' },
  { path: 'platform/chat/to-api.ts', source: importing('../api/target.ts'), rule: 'veza(import-directions)' },
  { path: 'platform/api/to-rig.ts', source: importing('../rig/target.ts'), rule: 'veza(import-directions)' },
  {
    path: 'platform/elsewhere/unknown-part.ts',
    source: importing('../kit/target.ts'),
    rule: 'veza(import-directions)',
  },
  {
    path: 'platform/kit/barrel.ts',
    source: "export * from './target.ts';\n",
    rule: 'veza(no-barrel)',
  },
  {
    path: 'platform/rig/exec.ts',
    source: "import { exec } from 'node:child_process';\nexport const it = exec;\n",
    rule: 'veza(no-shell)',
  },
  // the core is pure
  {
    path: 'src/core/a/node.ts',
    source: "import { sep } from 'node:path';\nexport const it = sep;\n",
    rule: 'veza(pure-core)',
  },
  {
    path: 'src/core/a/package.ts',
    source: "import { fetch } from 'undici';\nexport const it = fetch;\n",
    rule: 'veza(pure-core)',
  },
  { path: 'src/core/a/now.ts', source: exporting('new Date()'), rule: 'veza(pure-core)' },
  {
    path: 'src/core/a/waits.ts',
    source: 'export const it = async (x: Promise<number>): Promise<number> => (await x) + 1;\n',
    rule: 'veza(pure-core)',
  },
  { path: 'src/core/a/date-now.ts', source: exporting('Date.now()'), rule: 'eslint(no-restricted-properties)' },
  { path: 'src/core/a/random.ts', source: exporting('Math.random()'), rule: 'eslint(no-restricted-properties)' },
  { path: 'src/core/a/process.ts', source: exporting('process.env'), rule: 'eslint(no-restricted-globals)' },
  { path: 'src/core/a/timeout.ts', source: exporting('setTimeout(String, 1)'), rule: 'eslint(no-restricted-globals)' },
  {
    path: 'src/core/a/interval.ts',
    source: exporting('setInterval(String, 1)'),
    rule: 'eslint(no-restricted-globals)',
  },
  // no shell
  {
    path: 'src/build/exec.ts',
    source: "import { exec } from 'node:child_process';\nexport const it = exec;\n",
    rule: 'veza(no-shell)',
  },
  {
    path: 'src/build/whole-module.ts',
    source: "import * as all from 'node:child_process';\nexport const it = all;\n",
    rule: 'veza(no-shell)',
  },
  {
    path: 'src/build/option.ts',
    source: "import { spawn } from 'node:child_process';\nexport const it = spawn('ls', [], { shell: true });\n",
    rule: 'veza(no-shell)',
  },
  {
    path: 'src/build/sh.ts',
    source: "import { execFile } from 'node:child_process';\nexport const it = execFile('/bin/sh', ['-c', 'ls']);\n",
    rule: 'veza(no-shell)',
  },
  // shape
  {
    path: 'src/engine/barrel.ts',
    source: "export { here } from './target.ts';\nexport * from '../core/target.ts';\n",
    rule: 'veza(no-barrel)',
  },
  { path: 'src/engine/long.ts', source: '// a line\n'.repeat(500) + declares, rule: 'eslint(max-lines)' },
  {
    path: 'src/engine/cycle-a.ts',
    source: "import { b } from './cycle-b.ts';\nexport const a = (): unknown => b;\n",
    rule: 'import(no-cycle)',
  },
  {
    path: 'src/engine/cycle-b.ts',
    source: "import { a } from './cycle-a.ts';\nexport const b = (): unknown => a;\n",
    rule: 'import(no-cycle)',
  },
  {
    path: 'src/engine/type-cycle-a.ts',
    source: "import type { B } from './type-cycle-b.ts';\nexport interface A {\n  readonly b: B;\n}\n",
    rule: 'import(no-cycle)',
  },
  {
    path: 'src/engine/type-cycle-b.ts',
    source: "import type { A } from './type-cycle-a.ts';\nexport interface B {\n  readonly a: A | null;\n}\n",
    rule: 'import(no-cycle)',
  },
  // with types
  {
    path: 'src/engine/floating.ts',
    source: 'export function it(x: Promise<number>): void {\n  x.then(String);\n}\n',
    rule: 'typescript(no-floating-promises)',
  },
  {
    path: 'src/engine/misused.ts',
    source: 'export const it = (x: Promise<boolean>): number => (x ? 1 : 2);\n',
    rule: 'typescript(no-misused-promises)',
  },
  {
    path: 'src/engine/not-all-cases.ts',
    source:
      "export function it(x: 'a' | 'b'): number {\n  switch (x) {\n    case 'a':\n      return 1;\n  }\n  return 2;\n}\n",
    rule: 'typescript(switch-exhaustiveness-check)',
  },
  {
    path: 'src/engine/any.ts',
    source: 'export const it = (x: any): unknown => x;\n',
    rule: 'typescript(no-explicit-any)',
  },
  {
    path: 'src/engine/non-null.ts',
    source: 'export const it = (x: number | null): number => x!;\n',
    rule: 'typescript(no-non-null-assertion)',
  },
];

const right: readonly Fixture[] = [
  { path: 'src/drivers/router/registry.ts', source: importing('./gateway/target.ts') },
  { path: 'src/drivers/router/gateway/own-kind.ts', source: importing('../target.ts') },
  { path: 'src/drivers/router/gateway/own-folder.ts', source: importing('./target.ts') },
  { path: 'src/engine/to-store.ts', source: importing('../store/target.ts') },
  { path: 'src/server/to-engine.ts', source: importing('../engine/target.ts') },
  { path: 'src/cli/commands/to-api.ts', source: importing('../../api/target.ts') },
  { path: 'platform/api/to-kit.ts', source: importing('../kit/target.ts') },
  { path: 'platform/kit/to-rig.test.ts', source: importing('../rig/target.ts') },
  { path: 'src/core/a/given-time.ts', source: 'export const it = (now: number): Date => new Date(now);\n' },
  {
    path: 'src/core/a/waits.test.ts',
    source:
      "import { readFile } from 'node:fs/promises';\nexport const it = async (): Promise<unknown> => await readFile('x');\n",
  },
  {
    path: 'src/build/arguments.ts',
    source: "import { spawn } from 'node:child_process';\nexport const it = spawn('ls', ['-l'], { shell: false });\n",
  },
  { path: 'src/engine/not-too-long.ts', source: '// a line\n'.repeat(499) + declares },
];

const targets = [
  'src/core',
  'src/engine',
  'src/store',
  'src/server',
  'src/gateway',
  'src/cli',
  'src/api',
  'src/drivers/runtime/process',
  'src/drivers/router',
  'src/drivers/router/gateway',
  'test',
  'platform/kit',
  'platform/api',
  'platform/rig',
].map((folder): Fixture => ({ path: `${folder}/target.ts`, source: declares }));

let folder: string;
let findings: { readonly filename: string; readonly code: string }[];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'veza-lint-'));
  for (const name of ['.oxlintrc.json', 'tsconfig.json']) copyFileSync(join(root, name), join(folder, name));
  for (const name of ['scripts', 'node_modules']) symlinkSync(join(root, name), join(folder, name));
  for (const { path, source } of [...targets, ...right, ...wrong, { path: 'src/errors.ts', source: declares }]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), source);
  }
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/.bin/oxlint'), '--type-aware', '--format=json', 'src', 'platform'],
    { cwd: folder, encoding: 'utf8' },
  );
  if (!stdout.includes('"diagnostics"')) throw new Error(`oxlint did not run: ${stdout}${stderr}`);
  ({ diagnostics: findings } = JSON.parse(stdout) as { diagnostics: typeof findings });
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true }));

const rulesBrokenIn = (path: string): string[] =>
  findings.filter(({ filename }) => filename === path).map(({ code }) => code);

describe('the linter, over files that break a rule', () => {
  test.each(wrong)('$path breaks $rule', ({ path, rule }) => {
    expect(rulesBrokenIn(path)).toContain(rule);
  });
});

describe('the linter, over files that break none', () => {
  test.each([...right, ...targets])('$path is clean', ({ path }) => {
    expect(rulesBrokenIn(path)).toEqual([]);
  });
});
