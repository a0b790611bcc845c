/**
 * The one table of import directions: which part of `src/` may import which. The lint rule `veza/import-directions` reads
 * it while you type, `test/architecture.test.ts` checks the real import graph against it. DESIGN in one screen.
 *
 * Left of the colon the importing part, right of it what it may import besides itself.
 */
export const DIRECTIONS: Readonly<Record<string, readonly string[]>> = {
  // Decides. Pure: nothing of ours, no `node:`.
  core: [],
  // Every failure a person sees.
  errors: ['core'],
  // What the operating system offers and Node alone does not. Knows nothing of the product.
  system: [],
  // Touch the world. A driver sees its kind's own files, never another driver.
  drivers: ['core', 'errors', 'system'],
  // The data plane, a process of its own.
  gateway: ['core', 'errors', 'system'],
  build: ['core', 'errors', 'system'],
  // Reads veza.config.ts.
  spec: ['core', 'errors'],
  store: ['core', 'errors', 'system'],
  // Runs what the core decided.
  engine: ['core', 'errors', 'drivers', 'store', 'build'],
  // Schemas of the HTTP API and the client made from them.
  api: ['core', 'errors'],
  // The control plane: puts the parts together and serves the API.
  server: ['core', 'errors', 'system', 'api', 'engine', 'drivers', 'store', 'build', 'spec'],
  // A client of the API. It asks; it never acts by itself.
  cli: ['core', 'errors', 'api', 'spec', 'system'],
  // The engine in a simulated world: time, disk and drivers are made up, what decides and acts is real. Imported by nobody.
  sim: ['core', 'errors', 'engine', 'drivers', 'store'],
  // Checks answers under load. Knows nothing of the product that it measures.
  load: ['core'],
  // A person with a terminal: drives the CLI and the load client, prints as the CLI does, and is imported by nobody.
  demo: ['core', 'errors', 'api', 'cli', 'load', 'system'],
  // What `import … from 'veza-deploy'` sees.
  index: ['core', 'errors', 'api'],
};

/**
 * The same for `platform/`, the music platform that is deployed: services build on the kit and on what they share, not on each
 * other. Of `src/` it imports nothing, and `src/` nothing of it, tests included.
 */
export const PLATFORM_DIRECTIONS: Readonly<Record<string, readonly string[]>> = {
  // What every service has: settings, listener, drain, problems, log, metrics, traces.
  kit: [],
  database: ['kit'],
  tokens: ['kit'],
  cache: ['kit'],
  storage: ['kit'],
  people: ['kit', 'database', 'cache', 'storage'],
  identity: ['kit', 'database', 'tokens', 'people'],
  // It makes the addresses that stream serves, and takes ranges as stream does.
  api: ['kit', 'database', 'tokens', 'cache', 'storage', 'people', 'stream'],
  chat: ['kit', 'database', 'tokens', 'people'],
  stream: ['kit', 'tokens', 'storage'],
  web: ['kit'],
  // Data and users that are made up; they know the services by HTTP alone.
  seed: ['storage', 'database', 'kit'],
  load: ['seed'],
  // What each service can do on one core, on the real parts.
  limits: ['seed', 'load', 'rig', 'storage', 'stream'],
  // Real PostgreSQL, Redis and the like for tests.
  rig: [],
};

/** Packages that the core may use; both are pure. */
export const CORE_PACKAGES: readonly string[] = ['zod'];

/**
 * Says whether one file of `src/` may import another.
 *
 * @param from importing file, relative to the repository root with forward slashes (`src/cli/main.ts`)
 * @param to imported file, in the same form
 * @returns null when allowed, else the reason, in words for the person who wrote the import
 */
export function refusal(from: string, to: string): string | null {
  if (inPlatform(from)) return refusalInPlatform(from, to);
  if (inPlatform(to) && partOf(from) !== null) return 'src/ knows nothing of the platform that it deploys';
  const source = partOf(from);
  const target = partOf(to);
  if (source === null) return null;
  if (target === null)
    return from.endsWith('.test.ts') ? null : `${from} is product code: it imports nothing outside src/`;
  const allowed = DIRECTIONS[source];
  if (allowed === undefined) return `${source} is not in scripts/lint/directions.ts: give it a line there`;
  if (source === target) return source === 'drivers' ? refusalBetweenDrivers(from, to) : null;
  if (allowed.includes(target)) return null;
  return allowed.length === 0
    ? `${source} imports nothing of ours outside ${source}`
    : `${source} imports only ${allowed.join(', ')}, not ${target}`;
}

/** Top-level part of `src/` that a file belongs to, or null outside `src/`. A part is a folder or a single file. */
export function partOf(file: string): string | null {
  const [root, first] = file.split('/');
  if (root !== 'src' || first === undefined) return null;
  return first.replace(/\.(test\.)?ts$/, '');
}

const inPlatform = (file: string): boolean => file.startsWith('platform/');

/** Code of the platform that no service runs: it may use every part. */
const isTestOfPlatform = (file: string): boolean =>
  /\.(?:test|suite|contract)\.tsx?$|\/(?:testing|browser)\/|\/test-[\w-]+\.tsx?$/.test(file);

function refusalInPlatform(from: string, to: string): string | null {
  if (!inPlatform(to)) return `${from} is of the platform: it imports nothing outside platform/`;
  if (isTestOfPlatform(from)) return null;
  const [, source = ''] = from.split('/');
  const [, target = ''] = to.split('/');
  if (source === target || !from.includes('/', 'platform/'.length)) return null;
  const allowed = PLATFORM_DIRECTIONS[source];
  if (allowed === undefined) return `platform/${source} is not in scripts/lint/directions.ts: give it a line there`;
  if (isTestOfPlatform(to)) return `${to} is for tests`;
  if (allowed.includes(target)) return null;
  return allowed.length === 0
    ? `platform/${source} imports nothing of ours outside itself`
    : `platform/${source} imports only ${allowed.join(', ')}, not ${target}`;
}

/** Folders that the drivers of a kind share. */
const SHARED: Readonly<Record<string, string>> = { runtime: 'supervision' };

/** `src/drivers/KIND/NAME/…`: kinds are strangers, and so are drivers of one kind, but for the registry that lists them. */
function refusalBetweenDrivers(from: string, to: string): string | null {
  const [, , fromKind, fromRest = ''] = from.split('/');
  const [, , toKind, toName = ''] = to.split('/');
  if (fromKind !== toKind) return `drivers of kind ${fromKind} do not import those of kind ${toKind}`;
  const toIsShared = toName.endsWith('.ts') || SHARED[toKind ?? ''] === toName;
  if (toIsShared || fromRest === 'registry.ts' || fromRest === toName) return null;
  if (fromRest.endsWith('.ts')) return `only registry.ts of drivers/${fromKind} may name the driver ${toName}`;
  return `drivers do not import each other: ${fromRest} and ${toName} share through drivers/${fromKind}/`;
}
