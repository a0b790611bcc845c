import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ConfigExportError,
  ConfigFailedError,
  ConfigInvalidError,
  ConfigSyntaxError,
  ConfigUnreadableError,
  ProjectNotFoundError,
} from '../errors.ts';
import { loadConfig } from './load-config.ts';
import { runConfig } from './run-config.ts';
import { formatMistakes, formatWarnings, validateConfig } from './validate.ts';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const signal = AbortSignal.timeout(60_000);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'veza-spec-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function write(source: string, name = 'veza.config.ts'): Promise<string> {
  await writeFile(join(folder, name), source);
  return join(folder, name);
}

const RIGHT = `import { definePlatform, secret } from 'veza-deploy';
export default definePlatform({
  name: 'shop',
  services: { api: { source: 'api', run: 'node server.js', environment: { KEY: secret('key') } } },
});
`;

const failure = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => {
      throw new Error(`did not fail: ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );

describe('a configuration that is right', () => {
  test('loads, though veza-deploy is not installed beside it', async () => {
    const file = await write(RIGHT);
    const loaded = await loadConfig({ from: folder, signal });
    expect(loaded).toMatchObject({ file, directory: folder, platform: { name: 'shop' }, warnings: [] });
    expect(loaded.platform.environments['development']?.services['api']?.environment).toEqual({
      KEY: { secret: 'key' },
    });
  });

  test('is found from a folder below', async () => {
    const file = await write(RIGHT);
    await mkdir(join(folder, 'a/b'), { recursive: true });
    expect((await loadConfig({ from: join(folder, 'a/b'), signal })).file).toBe(file);
  });

  test('may be named, as a file or as a folder', async () => {
    const file = await write(RIGHT, 'other.config.ts');
    expect((await loadConfig({ from: '/', named: file, signal })).file).toBe(file);
    const usual = await write(RIGHT);
    expect((await loadConfig({ from: '/', named: folder, signal })).file).toBe(usual);
  });

  test('may stand in a CommonJS package, print, and leave timers running', async () => {
    await writeFile(join(folder, 'package.json'), '{"type":"commonjs"}');
    await write(`console.log('hello'); console.error('there'); setInterval(() => {}, 1_000);\n${RIGHT}`);
    expect((await loadConfig({ from: folder, signal })).platform.name).toBe('shop');
  });

  test('is seen as it is now, and so is what it imports', async () => {
    await write("export const name: string = 'first';", 'name.ts');
    await write(RIGHT.replace("name: 'shop'", 'name').replace('\n', "\nimport { name } from './name.ts';\n"));
    expect((await loadConfig({ from: folder, signal })).platform.name).toBe('first');
    await write("export const name: string = 'second';", 'name.ts');
    expect((await loadConfig({ from: folder, signal })).platform.name).toBe('second');
  });

  test('may be a plain object', async () => {
    await write("export default { name: 'shop', services: { api: { source: '.', run: 'x' } } };");
    expect((await loadConfig({ from: folder, signal })).platform.name).toBe('shop');
  });

  test('the one of this repository loads without a warning', async () => {
    const { platform, warnings } = await loadConfig({ from: REPOSITORY, signal });
    expect(Object.keys(platform.environments)).toEqual(['development', 'staging', 'production']);
    expect(Object.keys(platform.environments['production']?.services ?? {})).toEqual(['web', 'api', 'worker']);
    expect(platform.environments['production']?.gates.requires).toBe('staging');
    expect(warnings).toEqual([]);
  });
});

describe('a configuration that cannot be had', () => {
  test('there is none: the hint says how to make one', async () => {
    const error = await failure(loadConfig({ from: folder, signal }));
    expect(error).toBeInstanceOf(ProjectNotFoundError);
    expect(error).toMatchObject({ hint: expect.stringContaining('veza init') as unknown });
  });

  test('what was named does not exist', async () => {
    const error = await failure(loadConfig({ from: folder, named: 'nope.ts', signal }));
    expect(error).toBeInstanceOf(ConfigUnreadableError);
    expect((error as Error).message).toBe(`${join(folder, 'nope.ts')} cannot be read: it does not exist.`);
  });
});

describe('a configuration that does not run', () => {
  test.each([
    ["export default {\n  name: 'a' run: 'b',\n};\n", 2, 13, "Expected ',', got 'ident'"],
    ['const a = 1;\nconst b = { c: 08n };\nexport default {};\n', 2, 18, 'Identifier cannot follow number'],
  ])('is no TypeScript: %j', async (source, line, column, reason) => {
    const file = await write(source);
    const error = await failure(loadConfig({ from: folder, signal }));
    expect(error).toBeInstanceOf(ConfigSyntaxError);
    expect(error).toMatchObject({ file, line, column, message: `${file}:${line}:${column}: ${reason}.` });
  });

  test('uses TypeScript that is more than types', async () => {
    await write('enum A { X }\nexport default {};\n');
    const error = await failure(loadConfig({ from: folder, signal }));
    expect(error).toBeInstanceOf(ConfigSyntaxError);
    expect(error).toMatchObject({ line: 1, hint: expect.stringContaining('no enum') as unknown });
  });

  test('imports a file that is no TypeScript: that file is named', async () => {
    await write('export const a = ;\n', 'part.ts');
    await write("import './part.ts';\nexport default {};\n");
    const error = await failure(loadConfig({ from: folder, signal }));
    expect(error).toBeInstanceOf(ConfigSyntaxError);
    expect((error as Error).message).toContain(`${join(folder, 'part.ts')} (imported by veza.config.ts):1`);
  });

  test('throws: the place and the words of the error', async () => {
    const file = await write(
      "const a: string = 'x';\nfunction check(): never {\n  throw new RangeError('no luck');\n}\nexport default check();\n",
    );
    const error = await failure(loadConfig({ from: folder, signal }));
    expect(error).toBeInstanceOf(ConfigFailedError);
    expect((error as Error).message).toBe(`${file}:3:9: it threw "RangeError: no luck".`);
    expect((error as Error).message).not.toContain('\n');
  });

  test('imports what is not there', async () => {
    await write("import 'no-such-package';\nexport default {};\n");
    const error = await failure(loadConfig({ from: folder, signal }));
    expect(error).toBeInstanceOf(ConfigFailedError);
    expect(error).toMatchObject({
      message: expect.stringContaining("cannot find package 'no-such-package'") as unknown,
      hint: expect.stringContaining('installed') as unknown,
    });
  });

  test.each([
    [
      "console.error('bye');\nprocess.exit(7);\n",
      'it ended the process with status 7 before it exported anything; it printed last: bye',
    ],
    [
      "process.kill(process.pid, 'SIGKILL');\nawait new Promise(() => {});\n",
      'it ended the process by SIGKILL before it exported anything',
    ],
    ['await new Promise(() => {});\nexport default {};\n', 'it waits for a promise that never settles'],
  ])('ends otherwise: %j', async (source, words) => {
    await write(source);
    const error = await failure(loadConfig({ from: folder, signal }));
    expect(error).toBeInstanceOf(ConfigFailedError);
    expect((error as Error).message).toContain(words);
  });

  test('does not end: it is stopped', async () => {
    const file = await write('for (;;);\n');
    const error = await failure(runConfig(file, { signal, timeLimitMs: 500 }));
    expect(error).toBeInstanceOf(ConfigFailedError);
    expect((error as Error).message).toBe(`${file}: it did not end within 0.5 s and was stopped.`);
  });

  test('is not waited for when nobody wants it any more', async () => {
    const file = await write('for (;;);\n');
    const controller = new AbortController();
    const running = failure(runConfig(file, { signal: controller.signal }));
    controller.abort(new Error('enough'));
    expect(await running).toMatchObject({ message: 'enough' });
  });
});

describe('a configuration that exports no platform', () => {
  test.each([
    ['export {};\n', 'it exports nothing'],
    ['export const platform = 1;\nexport const b = 2;\n', 'it exports only `b`, `platform`'],
    ['export default 5;\n', 'it exports a number'],
    ['export default undefined;\n', 'it exports nothing'],
    ['export default [];\n', 'it exports a list'],
    ['export default () => ({});\n', 'it exports a function'],
    ['export default Promise.resolve({});\n', 'it exports a promise'],
    ['export default new Map();\n', 'it exports an instance of Map'],
  ])('%j', async (source, words) => {
    await write(source);
    const error = await failure(loadConfig({ from: folder, signal }));
    expect(error).toBeInstanceOf(ConfigExportError);
    expect((error as Error).message).toContain(words);
  });
});

describe('a configuration with mistakes', () => {
  const WRONG = `import { definePlatform } from 'veza-deploy';

const health: { path: string } = { path: 'health' };

export default definePlatform({
  name: 'shop',
  services: {
    web: { source: 'web', run: 'node a.js', dependencies: ['apii'] } as never,
    api: { source: 'api', health, stop: { grace: 30 }, run: () => 'x' } as never,
  },
  resource: {},
} as never);
`;

  test('throws all of them at once, each with its place', async () => {
    const file = await write(WRONG);
    const error = await failure(loadConfig({ from: folder, signal }));
    expect(error).toBeInstanceOf(ConfigInvalidError);
    const { mistakes, message } = error as ConfigInvalidError;
    expect(mistakes.map(({ path, line, column }) => [path, line, column])).toEqual([
      ['services.api.health.path', 3, 36],
      ['services.web.dependencies[0]', 8, 60],
      ['services.api.run', 9, 56],
      ['services.api.stop.grace', 9, 43],
      ['resource', 11, 3],
    ]);
    expect(message).toContain(`${file}:8:60 error services.web.dependencies[0]
  expected  the name of a service: \`api\`
  got       "apii"
  did you mean \`api\`?`);
  });

  test('is reported without being thrown, for those who only ask', async () => {
    const report = await validateConfig(await write(WRONG), { signal });
    expect(report.platform).toBeNull();
    expect(report.mistakes).toHaveLength(5);
    expect(formatMistakes(report.mistakes, 'veza.config.ts').split('\n\n')).toHaveLength(5);
  });

  test('a value that is no data is said to be one, once', async () => {
    const { mistakes } = await validateConfig(await write(WRONG), { signal });
    expect(mistakes.filter(({ path }) => path.startsWith('services.api.run'))).toEqual([
      expect.objectContaining({ expected: expect.stringContaining('plain data') as unknown, got: 'a function' }),
    ]);
  });

  test('a value that contains itself is refused', async () => {
    await write("const a = { name: 'shop', services: {} as object };\na.services = a;\nexport default a;\n");
    const { mistakes } = await validateConfig(join(folder, 'veza.config.ts'), { signal });
    expect(mistakes).toContainEqual(expect.objectContaining({ path: 'services', got: 'a value that contains itself' }));
  });

  test('warnings do not stop it', async () => {
    const source = RIGHT.replace("run: 'node server.js'", "run: 'node server.js', strategy: 'rolling', instances: 1");
    const { platform, warnings } = await validateConfig(await write(source), { signal });
    expect(platform).not.toBeNull();
    expect(formatWarnings(warnings, 'veza.config.ts')).toBe(
      `veza.config.ts:4:81 warning services.api.instances
  expected  2 instances or more for a rolling deployment, because one is replaced all at once
  got       1`,
    );
  });
});
