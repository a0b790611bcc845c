import { mkdir, readdir, realpath } from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join, relative, sep } from 'node:path';
import { canonicalJson } from '../core/release/canonical-json.ts';
import type { Release } from '../core/release/release.ts';
import type { Platform, Service } from '../core/spec/platform.ts';
import type { Command, Digest, Name } from '../core/units/quantities.ts';
import { ArtifactChangedError, ArtifactMissingError, BuildDiffersError, BuildOutputError } from '../errors.ts';
import type { ArtifactStore } from './artifact-store.ts';
import { ALL_ARTIFACTS, type Claims } from './claims.ts';
import { digestOf } from './digest.ts';
import type { ReleaseCatalog } from './release-catalog.ts';
import { configurationDigest, releaseIdOf } from './release-identity.ts';
import { buildEnvironment, runRecipe } from './run-recipe.ts';
import { copySource, findSource, fingerprintFolder, type Source } from './source.ts';
import { withWorkFolder } from './work-folder.ts';

export type BuildProgress =
  | { readonly kind: 'source'; readonly commit: string; readonly subject: string; readonly changes: readonly string[] }
  /** Nothing is built: the same source was built before. */
  | { readonly kind: 'reused'; readonly artifact: Digest }
  /** The artifact of the same source is missing or was changed, so it is built again. */
  | { readonly kind: 'not-reusable'; readonly artifact: Digest; readonly why: string }
  | { readonly kind: 'command'; readonly command: Command; readonly index: number; readonly total: number }
  | { readonly kind: 'output'; readonly stream: 'stdout' | 'stderr'; readonly line: string }
  | { readonly kind: 'packed'; readonly artifact: Digest; readonly bytes: number; readonly entries: number }
  | { readonly kind: 'released'; readonly release: Release; readonly existed: boolean };

export interface BuildRequest {
  /** Folder of `veza.config.ts`. */
  readonly projectDir: string;
  /** The service as each environment runs it, keyed by the environment's name; see `configurationsOf`. */
  readonly config: Readonly<Record<string, Service>>;
  readonly store: ArtifactStore;
  readonly catalog: ReleaseCatalog;
  readonly claims: Claims;
  /** Build uncommitted changes too; the release is then marked dirty. */
  readonly dirty: boolean;
  /** Build even if the same source was built before. */
  readonly rebuild?: boolean;
  /** Who builds, `user@host`; see `thisBuilder`. */
  readonly builder: string;
  /** UTC milliseconds. */
  readonly now: () => number;
  readonly onProgress: (progress: BuildProgress) => void;
  readonly signal: AbortSignal;
  /** Time for all commands of the recipe together; 15 minutes unless told. */
  readonly timeLimitMs?: number;
  /** Time from SIGTERM to SIGKILL when a build is stopped; 5 seconds unless told. */
  readonly stopGraceMs?: number;
  /**
   * Names of variables of this process that the recipe sees too; none unless told. Meant for how to reach the network
   * (`HTTPS_PROXY`, `NODE_EXTRA_CA_CERTS`), which depends on the machine and not on what is built.
   */
  readonly passEnvironment?: readonly string[];
  /** Where the clean copy is made, outside the repository; the system's temporary folder unless told. */
  readonly workDir?: string;
}

/** The service as each environment that has it runs it: what becomes a release's configuration. */
export const configurationsOf = (platform: Platform, service: Name): Readonly<Record<string, Service>> =>
  Object.fromEntries(
    Object.entries(platform.environments).flatMap(([name, environment]) => {
      const configured = environment.services[service];
      return configured === undefined ? [] : [[name, configured] as const];
    }),
  );

/** `user@host` of this process. */
export const thisBuilder = (): string => {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // A user id without a name, as containers have them.
    return `${process.getuid?.() ?? 'unknown'}@${hostname()}`;
  }
};

/**
 * Builds a release of a service: clean copy of the committed source, recipe, artifact into the store, release into the
 * catalog. The same source, recipe and Node reuse the artifact; the same artifact and configuration are the same release.
 *
 * @throws the errors of `findSource`, `copySource`, `runRecipe`, `ArtifactStore.put` and `ReleaseCatalog.add`;
 *   BuildDiffersError, BuildOutputError; the signal's reason when it aborts. Nothing is left behind in any of these cases.
 */
export const buildRelease = async (request: BuildRequest): Promise<Release> => {
  const { signal, onProgress } = request;
  signal.throwIfAborted();
  const service = oneRecipe(request.config);
  const source = await findSource(
    { projectDir: request.projectDir, folder: service.source, service: service.name, dirty: request.dirty },
    signal,
  );
  onProgress({ kind: 'source', commit: source.commit, subject: source.subject, changes: source.changes });
  return withWorkFolder(request.workDir ?? tmpdir(), async (work) => {
    const copy = join(work, 'source');
    const isDirty = source.changes.length > 0;
    // Uncommitted content has no name in git: it is copied first, and named by what was copied.
    if (isDirty) await copySource(source, copy, signal);
    const content = isDirty ? await fingerprintFolder(copy, signal) : source.tree;
    const built: BuiltFrom = { service, source, digest: sourceDigest(service, content, isDirty) };

    const reused = request.rebuild ? null : await holdingStore(request, () => reuse(request, built));
    if (reused !== null) return reused;

    if (!isDirty) await copySource(source, copy, signal);
    await runCommands(request, built, copy, join(work, 'tmp'));
    const output = await outputFolder(service, copy);
    return holdingStore(request, async () => {
      const { digest, bytes, entries } = await request.store.put(output, signal);
      onProgress({ kind: 'packed', artifact: digest, bytes, entries });
      return addRelease(request, built, { artifact: digest, bytes });
    });
  });
};

interface BuiltFrom {
  readonly service: Service;
  readonly source: Source;
  readonly digest: Digest;
}

const oneRecipe = (config: Readonly<Record<string, Service>>): Service => {
  const [first, ...others] = Object.entries(config);
  if (first === undefined) throw new TypeError('a release needs at least one environment');
  const [firstName, service] = first;
  const recipe = canonicalJson([service.source, service.build]);
  for (const [name, other] of others) {
    if (canonicalJson([other.source, other.build]) !== recipe)
      throw new BuildDiffersError(service.name, firstName, name);
  }
  return service;
};

/** What a build depends on, as far as we know: content, recipe, and the Node and machine that its programs run on. */
const sourceDigest = (service: Service, content: string, isDirty: boolean): Digest =>
  digestOf(
    canonicalJson({
      format: 'veza-source-1',
      content,
      isDirty,
      recipe: service.build,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
    }),
  );

/** Between the moment an artifact is found or stored and the moment a release names it, no collection may take it away. */
const holdingStore = async <T>(request: BuildRequest, task: () => Promise<T>): Promise<T> => {
  const letGo = await request.claims.useWhenFree(ALL_ARTIFACTS, request.signal);
  try {
    return await task();
  } finally {
    letGo();
  }
};

const reuse = async (request: BuildRequest, built: BuiltFrom): Promise<Release | null> => {
  for (const known of await request.catalog.artifactsOf(built.digest)) {
    try {
      await request.store.verify(known.artifact, request.signal);
    } catch (error) {
      if (!(error instanceof ArtifactChangedError || error instanceof ArtifactMissingError)) throw error;
      request.onProgress({ kind: 'not-reusable', artifact: known.artifact, why: error.message });
      continue;
    }
    request.onProgress({ kind: 'reused', artifact: known.artifact });
    return addRelease(request, built, known);
  }
  return null;
};

const runCommands = async (request: BuildRequest, built: BuiltFrom, copy: string, temporary: string): Promise<void> => {
  const { commands } = built.service.build;
  await mkdir(temporary);
  await runRecipe(
    {
      commands,
      folder: copy,
      environment: buildEnvironment({
        parent: process.env,
        node: process.execPath,
        temporaryFolder: temporary,
        committedAtSeconds: built.source.committedAtSeconds,
        pass: request.passEnvironment ?? [],
      }),
      timeLimitMs: request.timeLimitMs ?? 15 * 60_000,
      stopGraceMs: request.stopGraceMs ?? 5000,
      onCommand: (command, index) => request.onProgress({ kind: 'command', command, index, total: commands.length }),
      onLine: (stream, line) => request.onProgress({ kind: 'output', stream, line }),
    },
    request.signal,
  );
};

const outputFolder = async (service: Service, copy: string): Promise<string> => {
  const { output } = service.build;
  const entries = await readdir(copy, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const refuse = (why: string): BuildOutputError => new BuildOutputError(service.name, output, why, folders.toSorted());
  const root = await realpath(copy);
  let found: string;
  try {
    found = await realpath(join(root, output));
    if ((await readdir(found)).length === 0) throw refuse('is empty');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    if (error.code === 'ENOENT') throw refuse('does not exist');
    if (error.code === 'ENOTDIR') throw refuse('is not a folder');
    throw error;
  }
  const inside = relative(root, found);
  if (inside === '..' || inside.startsWith(`..${sep}`)) throw refuse('lies outside the source');
  return found;
};

const addRelease = async (
  request: BuildRequest,
  built: BuiltFrom,
  packed: { readonly artifact: Digest; readonly bytes: number },
): Promise<Release> => {
  request.signal.throwIfAborted();
  const configuration = configurationDigest(request.config);
  const dirty = built.source.changes.length > 0;
  const identity = { service: built.service.name, artifact: packed.artifact, configuration, dirty };
  const id = releaseIdOf(identity);
  // The same release may be on its way out as an old one; then it is added after that.
  const letGo = await request.claims.useWhenFree(id, request.signal);
  const { release, existed } = await request.catalog
    .add({
      ...identity,
      id,
      artifactBytes: packed.bytes,
      config: request.config,
      source: built.digest,
      commit: built.source.commit,
      subject: built.source.subject,
      builder: request.builder,
      builtAt: request.now(),
    })
    .finally(letGo);
  request.onProgress({ kind: 'released', release, existed });
  return release;
};
