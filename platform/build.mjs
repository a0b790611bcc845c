// Builds one service: `node build.mjs api` leaves dist/api, which runs with Node alone. The same input gives the same bytes,
// wherever the folder is: nothing of the machine gets in.
//
// The dependencies are taken from ./node_modules when they are there. Otherwise they are installed once for the lock file,
// into a cache that every checkout shares, and linked.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  access,
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const services = ['identity', 'api', 'chat', 'stream', 'web'];
/** Programs that a release brings along, to be run by hand where it runs: `veza run api -- node seed.js`. */
const programs = { api: ['seed'] };

/** What libraries in the older module format expect to find. */
const banner = [
  "import { createRequire as __createRequire } from 'node:module';",
  "import { dirname as __folderOf } from 'node:path';",
  'const require = __createRequire(import.meta.url);',
  'const __filename = import.meta.filename;',
  'const __dirname = __folderOf(__filename);',
].join('\n');

async function main() {
  // What the caller has set must not decide what is built: React's development build names files of this machine.
  process.env.NODE_ENV = 'production';
  const names = process.argv.slice(2);
  if (names.length === 0 || names.some((name) => !services.includes(name))) {
    console.error(`usage: node build.mjs SERVICE...   (${services.join(', ')})`);
    process.exitCode = 64;
    return;
  }
  await provideDependencies();
  for (const name of names) await buildService(name);
}

/** Builds beside the result and swaps it in, so that nobody finds half of it. */
async function buildService(name) {
  const dist = join(root, 'dist');
  await mkdir(dist, { recursive: true });
  const building = await mkdtemp(join(dist, `.${name}-`));
  try {
    await bundle(`./${name}/main.ts`, join(building, 'main.js'));
    for (const program of programs[name] ?? []) await bundle(`./${program}/main.ts`, join(building, `${program}.js`));
    await writeFile(join(building, 'package.json'), '{ "type": "module" }\n');
    const migrations = join(root, name, 'migrations');
    if (existsSync(migrations)) await copySql(migrations, join(building, 'migrations'));
    if (name === 'web') await buildPages(join(building, 'public'));
    await chmod(building, 0o755);
    const target = join(dist, name);
    if (existsSync(target)) await rename(target, `${building}.previous`);
    await rename(building, target);
    await rm(`${building}.previous`, { recursive: true, force: true });
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

async function bundle(entry, outfile) {
  const { build } = await load('esbuild');
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    // Readable: a stack trace of production is read by people.
    minify: false,
    legalComments: 'none',
    charset: 'utf8',
    // Paths in the result are those below ./node_modules, not those of the cache that it links to.
    preserveSymlinks: true,
    external: ['pg-native'],
    define: { 'process.env.NODE_ENV': '"production"' },
    banner: { js: banner },
    plugins: [httpWithoutFetch],
    logLevel: 'warning',
  });
}

/**
 * Importing node:http makes its WebSocket too, and for that Node loads all of its fetch: a third of the time of a start.
 * `process.getBuiltinModule` gives the same module without touching what nobody asked for.
 */
const httpWithoutFetch = {
  name: 'http-without-fetch',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(?:node:)?http$/ }, () => ({ path: 'node:http', namespace: 'builtin' }));
    onLoad({ filter: /./, namespace: 'builtin' }, () => ({
      contents: "module.exports = process.getBuiltinModule('node:http');",
      loader: 'js',
    }));
  },
};

async function copySql(from, to) {
  await mkdir(to, { recursive: true });
  const files = (await readdir(from)).filter((file) => file.endsWith('.sql'));
  for (const file of files.toSorted()) await copyFile(join(from, file), join(to, file));
}

async function buildPages(folder) {
  const { build } = await load('vite');
  await build({
    configFile: join(root, 'web/vite.config.ts'),
    mode: 'production',
    logLevel: 'warn',
    build: { outDir: folder, emptyOutDir: true },
  });
}

/** From ./node_modules: this file may be run where the repository's own are above it. */
async function load(name) {
  return await import(pathToFileURL(createRequire(join(root, 'package.json')).resolve(name)).href);
}

/** Sees to it that there is a ./node_modules. */
async function provideDependencies() {
  const here = join(root, 'node_modules');
  if (existsSync(join(here, 'esbuild'))) return;
  const cached = await installOnce();
  const link = join(root, `.node_modules-${process.pid}`);
  await symlink(join(cached, 'node_modules'), link);
  try {
    // Replaces a link that leads nowhere any more; a folder that lacks esbuild is somebody's, and stays.
    await rename(link, here);
  } catch (error) {
    await rm(link, { force: true });
    if (!existsSync(join(here, 'esbuild'))) throw error;
  }
}

/** Installs the dependencies of this lock file into the cache, unless they are there. Two at once do it twice and keep one. */
async function installOnce() {
  const lock = await readFile(join(root, 'package-lock.json'));
  const kind = `${process.version}-${process.platform}-${process.arch}`;
  const key = createHash('sha256').update(lock).update(kind).digest('hex');
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'veza-platform');
  const target = join(cache, key);
  if (existsSync(target)) return target;
  await mkdir(cache, { recursive: true });
  const fresh = await mkdtemp(join(cache, '.new-'));
  try {
    for (const file of ['package.json', 'package-lock.json']) await copyFile(join(root, file), join(fresh, file));
    await run(
      'npm',
      ['ci', '--omit=dev', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
      fresh,
    );
    await access(join(fresh, 'node_modules', 'esbuild'));
    // A folder that is there and not empty is not replaced: somebody else was first.
    await rename(fresh, target).catch((error) => {
      if (!existsSync(target)) throw error;
    });
    return target;
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

async function run(program, args, cwd) {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  const [status] = await once(child, 'close');
  if (status !== 0) throw new Error(`${program} ${args[0]} ended with status ${status}`);
}

try {
  await main();
} catch (error) {
  console.error(`build: ${error.message}`);
  process.exitCode = 1;
}
