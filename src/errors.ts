import { nearest } from './core/spec/nearest.ts';

/** Exit statuses of the CLI; documented in docs/exit-codes.md. */
export const ExitStatus = {
  ok: 0,
  failed: 1,
  usage: 2,
  invalid: 3,
  refused: 4,
  reverted: 5,
  unreachable: 6,
  conflict: 7,
  interrupted: 130,
} as const;
export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];

/**
 * Base of every failure that a person sees. The message says what was wrong and where, the hint what to do next; neither
 * contains a stack. Subclasses live here, one a failure, each with a stable code.
 */
export abstract class VezaError extends Error {
  abstract readonly code: string;
  abstract readonly exitStatus: ExitStatus;
  /** HTTP status of the problem document (RFC 9457). */
  readonly httpStatus: number = 400;
  readonly hint: string | null = null;
  override get name(): string {
    return this.constructor.name;
  }
}

/** The runtime has no room for what was asked. */
export class CapacityError extends VezaError {
  readonly code = 'capacity';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** A router write carried an older stamp than what is in force: another control plane has taken over. */
export class StaleRouterWriteError extends VezaError {
  readonly code = 'stale-router-write';
  readonly exitStatus = ExitStatus.conflict;
  override readonly httpStatus = 409;
  override readonly hint = 'Another control plane holds the lease; run `veza status` to see which.';
  readonly service: string;
  readonly inForce: { readonly epoch: number; readonly version: number };
  constructor(service: string, inForce: { readonly epoch: number; readonly version: number }) {
    super(
      `Router write for ${service} is older than what is in force (epoch ${inForce.epoch}, version ${inForce.version}).`,
    );
    this.service = service;
    this.inForce = inForce;
  }
}

/** The journal is not what was written: a changed, missing or unreadable entry, or a file that is no journal. */
export class JournalCorruptedError extends VezaError {
  readonly code = 'journal-corrupted';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 500;
  override readonly hint: string;
  readonly file: string;
  /** The first entry that is not as expected; null when the file as a whole cannot be read. */
  readonly seq: number | null;
  readonly expected: string;
  readonly found: string;
  constructor(file: string, seq: number | null, expected: string, found: string, hint?: string) {
    const where = seq === null ? '' : ` at entry ${seq}`;
    super(`The journal ${file} is damaged${where}: expected ${expected}, found ${found}.`);
    this.file = file;
    this.seq = seq;
    this.expected = expected;
    this.found = found;
    this.hint =
      hint ??
      'Nothing was changed, and running services go on. Keep a copy of the state folder, then restore it from a backup (docs/journal.md, "When the journal is damaged").';
  }
}

/** A write carried an older epoch than the journal holds: another control plane has taken over. */
export class FencedError extends VezaError {
  readonly code = 'fenced';
  readonly exitStatus = ExitStatus.conflict;
  override readonly httpStatus = 409;
  override readonly hint =
    'Another control plane has taken over; this one must stop. Run `veza status` to see which one is in charge.';
  readonly epoch: number;
  readonly highest: number;
  constructor(epoch: number, highest: number) {
    super(`The journal refuses an entry of epoch ${epoch}: it already holds epoch ${highest}.`);
    this.epoch = epoch;
    this.highest = highest;
  }
}

/** The store cannot be read or written now (full disk, read-only folder, failing device). Nothing is started or moved meanwhile. */
export class StoreUnavailableError extends VezaError {
  readonly code = 'store-unavailable';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 503;
  override readonly hint: string;
  readonly file: string;
  constructor(file: string, reason: string, hint: string, cause?: unknown) {
    super(`The store ${file} is not available: ${reason}.`, cause === undefined ? {} : { cause });
    this.file = file;
    this.hint = hint;
  }
}

/** Who holds a state directory. */
export interface StateHolder {
  readonly pid: number;
  readonly host: string;
  /** UTC milliseconds. */
  readonly startedAt: number;
  readonly command: string;
}

/** Another control plane works on this state directory. */
export class StateDirectoryHeldError extends VezaError {
  readonly code = 'state-directory-held';
  readonly exitStatus = ExitStatus.conflict;
  override readonly httpStatus = 409;
  override readonly hint: string;
  readonly directory: string;
  readonly holder: StateHolder | null;
  constructor(directory: string, holder: StateHolder | null) {
    const who =
      holder === null
        ? 'another process'
        : `process ${holder.pid} on ${holder.host}, started ${new Date(holder.startedAt).toISOString()}: ${holder.command}`;
    super(`The state directory ${directory} is held by ${who}.`);
    this.directory = directory;
    this.holder = holder;
    this.hint =
      holder === null
        ? 'Use the control plane that runs (`veza status`), or stop it first.'
        : `Use the control plane that runs (\`veza status\`), or stop it first: \`kill ${holder.pid}\` on ${holder.host}.`;
  }
}

/** The control plane could not start, or ended while it was starting. */
export class ControlPlaneStartError extends VezaError {
  readonly code = 'control-plane-start';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 503;
  override readonly hint: string;
  readonly stateDir: string;
  constructor(
    stateDir: string,
    reason: string,
    hint = `Its log is ${stateDir}/control.log; \`veza doctor\` checks what it needs.`,
  ) {
    super(`The control plane did not start: ${reason}.`);
    this.stateDir = stateDir;
    this.hint = hint;
  }
}

/** `git` is not installed, or not in PATH. */
export class GitMissingError extends VezaError {
  readonly code = 'git-missing';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 500;
  override readonly hint = 'Install git (on Debian and Ubuntu: `apt-get install git`), then try again.';
  constructor() {
    super('The program `git` was not found: releases are built from committed source.');
  }
}

/** Git refused something that should work: a damaged repository, somebody else's folder. */
export class GitFailedError extends VezaError {
  readonly code = 'git-failed';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 500;
  override readonly hint = 'Run the same command in that folder to see more; `git fsck` finds damage.';
  readonly folder: string;
  constructor(folder: string, command: readonly string[], words: string) {
    super(`\`${command.join(' ')}\` failed in ${folder}: ${words === '' ? 'it said nothing' : words}`);
    this.folder = folder;
  }
}

/** The platform's folder has no commit to build from: no git repository, or one without commits. */
export class NoCommittedSourceError extends VezaError {
  readonly code = 'no-committed-source';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  readonly folder: string;
  constructor(folder: string, what: 'no-repository' | 'no-commits') {
    super(
      what === 'no-repository'
        ? `${folder} is not in a git repository; a release is built from committed source.`
        : `The git repository of ${folder} has no commit yet; a release is built from committed source.`,
    );
    this.folder = folder;
    const commit = 'git add --all && git commit -m "First version"';
    this.hint =
      what === 'no-repository' ? `Run \`git init && ${commit}\` in ${folder}.` : `Run \`${commit}\` in ${folder}.`;
  }
}

/** The folder that a service names as its source cannot be built from. */
export class SourceFolderError extends VezaError {
  readonly code = 'source-folder';
  readonly exitStatus = ExitStatus.invalid;
  override readonly hint: string;
  readonly folder: string;
  constructor(folder: string, why: string, hint: string) {
    super(`The source folder ${folder} ${why}.`);
    this.folder = folder;
    this.hint = hint;
  }
}

/** The source holds something that cannot be copied faithfully: a submodule, a Git LFS pointer, a device. */
export class SourceEntryError extends VezaError {
  readonly code = 'source-entry';
  readonly exitStatus = ExitStatus.refused;
  override readonly hint: string;
  readonly path: string;
  constructor(path: string, what: string, hint: string) {
    super(`${path} in the source is ${what}.`);
    this.path = path;
    this.hint = hint;
  }
}

/** Files under a service's source differ from the last commit. */
export class UncommittedChangesError extends VezaError {
  readonly code = 'uncommitted-changes';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint =
    'Either commit them (`git add` and `git commit`), or build what is there with `--dirty`; such a release is marked dirty, and environments may refuse it.';
  readonly service: string;
  readonly files: readonly string[];
  constructor(service: string, files: readonly string[]) {
    const shown = files.slice(0, 10).map((file) => `\n  ${file}`);
    const more = files.length > shown.length ? `\n  and ${files.length - shown.length} more` : '';
    super(`The source of ${service} has uncommitted changes:${shown.join('')}${more}`);
    this.service = service;
    this.files = files;
  }
}

/** Environments declare different sources or build recipes for one service. */
export class BuildDiffersError extends VezaError {
  readonly code = 'build-differs';
  readonly exitStatus = ExitStatus.invalid;
  override readonly hint =
    'Every environment runs the same artifact: give the service one `source` and one `build`, and put what differs into `environment`.';
  readonly service: string;
  constructor(service: string, first: string, second: string) {
    super(`${service} is built differently in ${first} and in ${second}.`);
    this.service = service;
  }
}

const quoted = (lines: readonly string[]): string => lines.map((line) => `\n  | ${line}`).join('');

/** A command of the build recipe failed or could not be started. */
export class BuildFailedError extends VezaError {
  readonly code = 'build-failed';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 422;
  override readonly hint: string;
  readonly command: readonly string[];
  readonly lastLines: readonly string[];
  constructor(command: readonly string[], what: string, lastLines: readonly string[], hint?: string) {
    super(`The build command \`${command.join(' ')}\` ${what}.${quoted(lastLines)}`);
    this.command = command;
    this.lastLines = lastLines;
    this.hint =
      hint ??
      'The build runs in a clean copy of the committed source: what is ignored by git, and most of your environment, is not there. Commit what it needs, or make it in the recipe.';
  }
}

/** The build recipe did not end in time. */
export class BuildTimeoutError extends VezaError {
  readonly code = 'build-timeout';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 422;
  override readonly hint =
    'Look at the last lines for what it waits for; a build must not ask questions or start a server.';
  readonly command: readonly string[];
  readonly lastLines: readonly string[];
  constructor(command: readonly string[], limitMs: number, lastLines: readonly string[]) {
    super(
      `The build was stopped after ${Math.round(limitMs / 100) / 10} s, in \`${command.join(' ')}\`.${quoted(lastLines)}`,
    );
    this.command = command;
    this.lastLines = lastLines;
  }
}

/** The folder that the recipe declares as its output is not there, or is empty. */
export class BuildOutputError extends VezaError {
  readonly code = 'build-output';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 422;
  override readonly hint: string;
  readonly output: string;
  constructor(service: string, output: string, why: string, folders: readonly string[]) {
    super(`The build of ${service} ended well, but its output folder \`${output}\` ${why}.`);
    this.output = output;
    this.hint = `Set \`build.output\` of ${service} to the folder that the build makes${
      folders.length === 0 ? '' : `; folders there after the build: ${folders.slice(0, 10).join(', ')}`
    }.`;
  }
}

/** A file of a build's output cannot be part of an artifact, or an archive holds something that no artifact may hold. */
export class ArchiveEntryError extends VezaError {
  readonly code = 'archive-entry';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 422;
  override readonly hint: string;
  readonly path: string;
  constructor(path: string, why: string, hint: string) {
    super(`\`${path}\` ${why}.`);
    this.path = path;
    this.hint = hint;
  }
}

/** A stored artifact is not what was built. It is never run. */
export class ArtifactChangedError extends VezaError {
  readonly code = 'artifact-changed';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  readonly digest: string;
  readonly file: string;
  readonly found: string;
  constructor(digest: string, file: string, found: string, hint: string) {
    super(`The artifact ${digest} was changed after it was built: ${file} ${found}.`);
    this.digest = digest;
    this.file = file;
    this.found = found;
    this.hint = hint;
  }
}

/** A release's artifact is not in the store. */
export class ArtifactMissingError extends VezaError {
  readonly code = 'artifact-missing';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 404;
  override readonly hint = 'Build the release again from its commit, or restore the artifact folder from a backup.';
  readonly digest: string;
  constructor(digest: string, file: string) {
    super(`The artifact ${digest} is not in the store: there is no ${file}.`);
    this.digest = digest;
  }
}

/** No release has this id, or begins like this. */
export class ReleaseNotFoundError extends VezaError {
  readonly code = 'release-not-found';
  readonly exitStatus = ExitStatus.usage;
  override readonly httpStatus = 404;
  override readonly hint: string;
  readonly asked: string;
  constructor(asked: string, service: string | null, nearest: readonly string[], recent: readonly string[]) {
    super(`There is no release \`${asked}\`${service === null ? '' : ` of ${service}`}.`);
    this.asked = asked;
    this.hint =
      recent.length === 0
        ? `Nothing is built yet: run \`veza build${service === null ? '' : ` ${service}`}\`.`
        : `${nearest.length === 0 ? '' : `Did you mean ${nearest.join(' or ')}? `}Most recent: ${recent.join(', ')}. \`veza releases\` lists all.`;
  }
}

/** Several releases begin like this. */
export class ReleaseAmbiguousError extends VezaError {
  readonly code = 'release-ambiguous';
  readonly exitStatus = ExitStatus.usage;
  override readonly httpStatus = 409;
  override readonly hint: string;
  readonly matches: readonly string[];
  constructor(asked: string, matches: readonly string[]) {
    super(`${matches.length} releases begin with \`${asked}\`.`);
    this.matches = matches;
    this.hint = `Give more of the id: ${matches.slice(0, 5).join(', ')}${matches.length > 5 ? ', …' : ''}.`;
  }
}

/** The catalog of releases is not what was written. */
export class ReleaseCatalogDamagedError extends VezaError {
  readonly code = 'release-catalog-damaged';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 500;
  override readonly hint =
    'Nothing was changed, and running services go on. Keep a copy of the state folder, then restore it from a backup (docs/releases.md).';
  readonly file: string;
  constructor(file: string, what: string) {
    super(`The catalog of releases ${file} is damaged: ${what}.`);
    this.file = file;
  }
}

/** A release is being collected, or is in use, at this moment. */
export class ReleaseClaimedError extends VezaError {
  readonly code = 'release-claimed';
  readonly exitStatus = ExitStatus.conflict;
  override readonly httpStatus = 409;
  override readonly hint = 'Build it again (`veza build`): the same source gives the same release.';
  constructor(what: string) {
    super(`${what} is being collected at this moment.`);
  }
}

/** A name that nothing has: a service, environment, deployment, release, command argument. */
export class UnknownNameError extends VezaError {
  readonly code = 'unknown-name';
  readonly exitStatus = ExitStatus.usage;
  override readonly httpStatus = 404;
  override readonly hint: string;
  readonly kind: string;
  readonly written: string;
  readonly known: readonly string[];
  /** @param kind - what it should have been a name of, in words: "service", "environment" */
  constructor(kind: string, written: string, known: readonly string[]) {
    const suggestion = nearest(written, known);
    super(
      `There is no ${kind} called \`${written}\`${suggestion === null ? '.' : `; did you mean \`${suggestion}\`?`}`,
    );
    this.kind = kind;
    this.written = written;
    this.known = known;
    const shown = known.slice(0, 12).join(', ');
    this.hint =
      known.length === 0
        ? `There is no ${kind} yet.`
        : `Known: ${shown}${known.length > 12 ? `, and ${known.length - 12} more` : ''}.`;
  }
}

/** A request to the API that does not fit its schema. Carries every mistake. */
export class RequestInvalidError extends VezaError {
  readonly code = 'request-invalid';
  readonly exitStatus = ExitStatus.usage;
  override readonly httpStatus = 422;
  override readonly hint = 'The API is described at /v1/openapi.json.';
  readonly mistakes: readonly { readonly path: string; readonly message: string }[];
  constructor(mistakes: readonly { readonly path: string; readonly message: string }[]) {
    super(`The request is not valid: ${mistakes.map((mistake) => `${mistake.path}: ${mistake.message}`).join('; ')}.`);
    this.mistakes = mistakes;
  }
}

/** An operation on a deployment that its phase does not allow. */
export class OperationRefusedError extends VezaError {
  readonly code = 'operation-refused';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  readonly deployment: string;
  readonly operation: string;
  readonly phase: string;
  /** @param why - completes "cannot …: "; @param instead - what to do */
  constructor(deployment: string, operation: string, phase: string, why: string, instead: string) {
    super(`Cannot ${operation} ${deployment} while it is ${phase}: ${why}.`);
    this.deployment = deployment;
    this.operation = operation;
    this.phase = phase;
    this.hint = `${instead.charAt(0).toUpperCase()}${instead.slice(1)}.`;
  }
}

/** No control plane answers for this project. */
export class ControlPlaneNotRunningError extends VezaError {
  readonly code = 'control-plane-not-running';
  readonly exitStatus = ExitStatus.unreachable;
  override readonly httpStatus = 503;
  override readonly hint = 'Start it with `veza up`. What it deployed goes on running without it.';
  readonly stateDir: string;
  constructor(stateDir: string) {
    super(`No control plane is running for ${stateDir}.`);
    this.stateDir = stateDir;
  }
}

/** The connection to the control plane broke, or it stopped answering. */
export class ControlPlaneLostError extends VezaError {
  readonly code = 'control-plane-lost';
  readonly exitStatus = ExitStatus.unreachable;
  override readonly httpStatus = 503;
  override readonly hint =
    'Traffic goes on without it, and so do deployments once it is back: `veza up`, then `veza status`.';
  constructor(reason: string) {
    super(`The control plane went away: ${reason}.`);
  }
}

/** What the API refused or failed at, as its problem document says (RFC 9457). */
export class RemoteError extends VezaError {
  readonly code: string;
  readonly exitStatus: ExitStatus;
  override readonly httpStatus: number;
  override readonly hint: string | null;
  readonly mistakes: readonly { readonly path: string; readonly message: string }[];
  constructor(problem: {
    readonly code: string;
    readonly exitStatus: ExitStatus;
    readonly status: number;
    readonly detail: string;
    readonly hint: string | null;
    readonly mistakes: readonly { readonly path: string; readonly message: string }[];
  }) {
    super(problem.detail);
    this.code = problem.code;
    this.exitStatus = problem.exitStatus;
    this.httpStatus = problem.status;
    this.hint = problem.hint;
    this.mistakes = problem.mistakes;
  }
}

/** The command line is wrong: an option, an argument, a combination of them. */
export class UsageError extends VezaError {
  readonly code = 'usage';
  readonly exitStatus = ExitStatus.usage;
  override readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** There is no `veza.config.ts` here or in a folder above. */
export class ProjectNotFoundError extends VezaError {
  readonly code = 'project-not-found';
  readonly exitStatus = ExitStatus.usage;
  override readonly hint =
    'Go to the project, name it with --project DIR, or make a working example here: `veza init`.';
  readonly directory: string;
  constructor(directory: string) {
    super(`There is no veza.config.ts in ${directory} or a folder above it.`);
    this.directory = directory;
  }
}

/** The API has no such endpoint. */
export class EndpointNotFoundError extends VezaError {
  readonly code = 'endpoint-not-found';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 404;
  override readonly hint =
    'The API is described at /v1/openapi.json; a client of another version may ask for what is not there.';
  constructor(method: string, path: string) {
    super(`The API has no ${method} ${path}.`);
  }
}

/** Somebody listens on the control plane's socket already. */
export class SocketInUseError extends VezaError {
  readonly code = 'socket-in-use';
  readonly exitStatus = ExitStatus.conflict;
  override readonly httpStatus = 409;
  override readonly hint =
    'Use the control plane that runs (`veza status`), or end it first (`veza down --keep-running`).';
  readonly path: string;
  constructor(path: string) {
    super(`Another control plane answers on ${path}.`);
    this.path = path;
  }
}

/** A backing service cannot be started, reached or used. */
export class ResourceUnavailableError extends VezaError {
  readonly code = 'resource-unavailable';
  readonly exitStatus = ExitStatus.unreachable;
  override readonly httpStatus = 503;
  override readonly hint: string;
  readonly resource: string;
  constructor(resource: string, reason: string, hint: string) {
    super(`The resource ${resource} is not available: ${reason}.`);
    this.resource = resource;
    this.hint = hint;
  }
}

/** The migrations of a folder cannot be applied as they are; nothing was. */
export class MigrationFilesError extends VezaError {
  readonly code = 'migration-files';
  readonly exitStatus = ExitStatus.invalid;
  override readonly httpStatus = 422;
  override readonly hint = 'No migration was applied. Correct the files, then deploy again (docs/resources.md).';
  readonly directory: string;
  readonly problems: readonly string[];
  constructor(directory: string, problems: readonly string[]) {
    super(`The migrations in ${directory} cannot be applied:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.directory = directory;
    this.problems = problems;
  }
}

/** The database refused a migration. */
export class MigrationFailedError extends VezaError {
  readonly code = 'migration-failed';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 409;
  override readonly hint: string;
  /** File and line. */
  readonly where: string;
  /** True when the same migration may succeed later: a lock, a deadlock, a time limit, a lost connection. */
  readonly retryable: boolean;
  constructor(where: string, reason: string, hint: string, retryable: boolean) {
    super(`The migration ${where} failed: ${reason}.`);
    this.where = where;
    this.hint = hint;
    this.retryable = retryable;
  }
}

/** A service declares no migrations in an environment. */
export class NoMigrationsError extends VezaError {
  readonly code = 'no-migrations';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint = 'Declare them as a gate of the service: `gates: { migrations: { directory } }`.';
  constructor(service: string, environment: string, why = 'has no migrations') {
    super(`${service} ${why} in ${environment}.`);
  }
}

/** A contract migration is not run: a release that needs what it takes away can still get traffic. */
export class ContractRefusedError extends VezaError {
  readonly code = 'contract-refused';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  /** @param reasons - a line each: which migration, and who needs what it takes away until when, or what must come before it */
  constructor(service: string, environment: string, reasons: readonly string[], hint: string) {
    super(
      `No contract migration of ${service} is run in ${environment}:\n${reasons.map((reason) => `  ${reason}`).join('\n')}`,
    );
    this.hint = `Nothing was changed. ${hint}`;
  }
}

/** Migrations are not taken back: a release that uses them can get traffic, or they cannot be taken back at all. */
export class UndoRefusedError extends VezaError {
  readonly code = 'undo-refused';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  constructor(service: string, environment: string, reasons: readonly string[], hint: string) {
    super(
      `No migration of ${service} is taken back in ${environment}:\n${reasons.map((reason) => `  ${reason}`).join('\n')}`,
    );
    this.hint = `Nothing was changed. ${hint}`;
  }
}

/** A release needs a form of the database that a contract migration has taken away. */
export class OldFormGoneError extends VezaError {
  readonly code = 'old-form-gone';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  readonly release: string;
  constructor(service: string, environment: string, release: string, contracts: readonly string[]) {
    super(
      `${release} of ${service} is not started in ${environment}: it needs what ${contracts.join(' and ')} took away from the database.`,
    );
    this.release = release;
    this.hint =
      'Deploy a release whose migrations hold that file, or bring the old form back first with ' +
      `\`veza migrations undo ${service} -e ${environment}\`.`;
  }
}

/** A rollback would start a release whose migrations have been taken back. */
export class MigrationUndoneError extends VezaError {
  readonly code = 'migration-undone';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  readonly release: string;
  constructor(service: string, environment: string, release: string, migrations: readonly string[]) {
    super(
      `${release} of ${service} is not brought back in ${environment}: ${migrations.join(' and ')} of it was taken back, and a rollback runs no migrations.`,
    );
    this.release = release;
    this.hint = `Deploy it, which runs them: \`veza deploy ${service} --release ${release} -e ${environment}\`.`;
  }
}

/** The process runtime's state folder cannot be made or written. */
export class RuntimeFolderError extends VezaError {
  readonly code = 'runtime-folder';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 500;
  override readonly hint = 'Check that the folder is yours and writable, and that its disk has room.';
  readonly directory: string;
  constructor(directory: string, detail: string) {
    super(`The state of instances cannot be written to ${directory}: ${detail}.`);
    this.directory = directory;
  }
}

/** No base image can be made of this machine. */
export class BaseImageError extends VezaError {
  readonly code = 'base-image';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 500;
  override readonly hint = 'Install the libraries that Node needs, or declare a base image by its digest.';
  constructor(why: string) {
    super(`No base image can be made of this machine: ${why}.`);
  }
}

/** A declared base image is of no use here. */
export class BaseUnusableError extends VezaError {
  readonly code = 'base-unusable';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint = 'Declare another one (`target.base`), by its digest: `veza image base` tells it.';
  constructor(reference: string, why: string) {
    super(`The base ${reference} cannot be used: ${why}.`);
  }
}

/** A rule refuses the image of a release: it does not run. */
export class ImageRefusedError extends VezaError {
  readonly code = 'image-refused';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  /** @param findings what refuses it, in words, the first of them worst */
  constructor(service: string, findings: readonly string[]) {
    const [first = 'no reason', ...others] = findings;
    super(`The image of ${service} is refused: ${first}${others.length === 0 ? '' : ` (and ${others.length} more)`}.`);
    this.hint = `\`veza image scan ${service}\` tells everything that was found, and what to do about each.`;
  }
}

/** No name of an image in a registry. */
export class InvalidImageReferenceError extends VezaError {
  readonly code = 'invalid-image-reference';
  readonly exitStatus = ExitStatus.usage;
  override readonly hint = 'Name it as HOST[:PORT]/REPOSITORY[:TAG][@DIGEST], like registry.example/team/api.';
  constructor(text: string, why: string) {
    // A password may stand before an @.
    super(`${text.replace(/^[^/@]*:[^/@]*@/, '…@')} names no image in a registry: ${why}.`);
  }
}

/** A file that an option names is of no use. */
export class FileUnusableError extends VezaError {
  readonly code = 'file-unusable';
  readonly exitStatus = ExitStatus.usage;
  override readonly hint: string;
  constructor(option: string, file: string, why: string) {
    super(`${option} ${file} cannot be used: ${why}.`);
    this.hint = `Give another file with ${option}.`;
  }
}

/** What `docker login` left cannot be read. */
export class CredentialsUnreadableError extends VezaError {
  readonly code = 'credentials-unreadable';
  readonly exitStatus = ExitStatus.failed;
  override readonly hint = 'Log in again (`docker login`), or give `--username` and the password on standard input.';
  constructor(where: string, why: string) {
    super(`The login in ${where} cannot be read: ${why}.`);
  }
}

/** Nobody answers at a registry's address. */
export class RegistryUnreachableError extends VezaError {
  readonly code = 'registry-unreachable';
  readonly exitStatus = ExitStatus.unreachable;
  override readonly httpStatus = 503;
  override readonly hint: string;
  constructor(registry: string, cause: Error) {
    const { code, message } = cause as NodeJS.ErrnoException;
    super(`The registry ${registry} cannot be reached: ${message === '' ? String(code) : message}.`, { cause });
    this.hint = /certificate|issuer/i.test(`${message} ${String(code)}`)
      ? 'When an authority of your own has signed its certificate, give it: `--authority FILE`.'
      : 'See that it runs and that its name and port are right. What was pushed already is not pushed again.';
  }
}

/** A registry says no. */
export class RegistryRefusedError extends VezaError {
  readonly code = 'registry-refused';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 502;
  override readonly hint: string;
  /** @param status null when the answer was of no use */
  constructor(registry: string, asked: string, why: string, status: number | null) {
    super(`The registry ${registry} refused ${asked}: ${why}.`);
    this.hint =
      status === 401 || status === 403
        ? `Log in (\`docker login ${registry}\`), or give \`--username\` and the password on standard input.`
        : 'Its log says more.';
  }
}

/** A registry has no image of that name. */
export class ImageNotThereError extends VezaError {
  readonly code = 'image-not-there';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 404;
  override readonly hint = 'See that repository and tag are right; some registries hide what one may not see.';
  constructor(reference: string) {
    super(`There is no image ${reference}.`);
  }
}

/** An image is not what it is said to be, or nobody says where it comes from. */
export class ImageUnverifiedError extends VezaError {
  readonly code = 'image-unverified';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint =
    'Do not run it. `veza image push` signs what it pushes; `--key` names the public key of those who did.';
  constructor(reference: string, why: string) {
    super(`${reference} is not verified: ${why}.`);
  }
}

/** Nobody answers at a Docker Engine's address, or we may not ask. */
export class DockerUnreachableError extends VezaError {
  readonly code = 'docker-unreachable';
  readonly exitStatus = ExitStatus.unreachable;
  override readonly httpStatus = 503;
  override readonly hint: string;
  constructor(host: string, cause: Error) {
    const why = 'code' in cause ? DOCKER_REASONS[String(cause.code)] : undefined;
    super(`The Docker Engine at ${host} cannot be reached: ${why ?? cause.message}.`, { cause });
    this.hint =
      'code' in cause && cause.code === 'EACCES'
        ? 'Let this user use Docker (group `docker`), or run as one who may.'
        : 'Start it (`systemctl start docker`), or declare where it is: `target.socket`.';
  }
}

const DOCKER_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'it does not run',
  EACCES: 'this user may not use the socket',
};

/** The network of an environment's containers cannot be had. */
export class DockerNetworkError extends VezaError {
  readonly code = 'docker-network';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 409;
  override readonly hint =
    'Declare another `target.subnet`, or see with `docker network ls` and `ip route` who has this one.';
  constructor(name: string, why: string) {
    super(`The network ${name} cannot be used: ${why.replace(/\.$/, '')}.`);
  }
}

/** A Docker Engine would not do what was asked of it. */
export class DockerRefusedError extends VezaError {
  readonly code = 'docker-refused';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 502;
  override readonly hint: string;
  constructor(what: string, message: string) {
    super(`The Docker Engine would not ${what}: ${message}.`);
    this.hint = /no space left/i.test(message)
      ? 'Its disk is full: make room where its data is (`docker system df`, `docker system prune`).'
      : 'Its own log says more (`journalctl -u docker`).';
  }
}

/** The target of an environment is of another kind than what still runs there. */
export class RuntimeChangedError extends VezaError {
  readonly code = 'runtime-changed';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 409;
  override readonly hint: string;
  constructor(environment: string, before: string, now: string, slots: number) {
    super(
      `The target of ${environment} is \`${now}\` now, but ${slots === 1 ? 'a slot' : `${slots} slots`} of it still run on \`${before}\`.`,
    );
    this.hint = `Declare \`kind: '${before}'\` again, run \`veza down -e ${environment}\`, and then change it.`;
  }
}

/** The program of a one-off process could not be started. */
export class ProgramNotStartedError extends VezaError {
  readonly code = 'program-not-started';
  readonly exitStatus = ExitStatus.failed;
  override readonly hint =
    'Programs are looked for in PATH, or in the artifact when they are given with a path (./bin/migrate).';
  readonly program: string;
  constructor(program: string, directory: string, detail: string) {
    super(`${program} could not be started in ${directory}: ${detail}.`);
    this.program = program;
  }
}

/** A deployment of the same service is active, and the strategy says that it is not to be disturbed. */
export class DeploymentActiveError extends VezaError {
  readonly code = 'deployment-active';
  readonly exitStatus = ExitStatus.conflict;
  override readonly httpStatus = 409;
  override readonly hint: string;
  readonly deployment: string;
  constructor(deployment: string, phase: string, services: readonly string[]) {
    super(`${deployment} of ${services.join(', ')} is ${phase}, and its strategy refuses a newer release meanwhile.`);
    this.deployment = deployment;
    this.hint = `Wait for it (\`veza watch ${deployment}\`), or take it back (\`veza abort ${deployment}\`).`;
  }
}

/** An immutable rule does not let the release into the environment. */
export class PolicyRefusedError extends VezaError {
  readonly code = 'policy-refused';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  constructor(reason: string, hint: string) {
    super(`${reason}.`);
    this.hint = hint;
  }
}

/** A smoke test of the candidate did not get what it expects. */
export class SmokeTestFailedError extends VezaError {
  readonly code = 'smoke-test-failed';
  readonly exitStatus = ExitStatus.reverted;
  override readonly httpStatus = 409;
  override readonly hint = 'No user has seen this release. `veza logs SERVICE` shows what it said.';
  constructor(check: string, expected: string, found: string) {
    super(`smoke test "${check}": expected ${expected}, got ${found}`);
  }
}

/** A release was built before the environment was declared, so it has no configuration for it. */
export class ConfigurationMissingError extends VezaError {
  readonly code = 'configuration-missing';
  readonly exitStatus = ExitStatus.invalid;
  override readonly httpStatus = 409;
  override readonly hint = 'Build it again: `veza build`.';
  constructor(release: string, service: string, environment: string) {
    super(`${release} of ${service} has no configuration for the environment ${environment}.`);
  }
}

/** The configuration file that was named cannot be read. */
export class ConfigUnreadableError extends VezaError {
  readonly code = 'config-unreadable';
  readonly exitStatus = ExitStatus.usage;
  override readonly hint: string;
  readonly file: string;
  constructor(file: string, reason: string, hint: string) {
    super(`${file} cannot be read: ${reason}.`);
    this.file = file;
    this.hint = hint;
  }
}

/** A configuration file is no valid TypeScript. */
export class ConfigSyntaxError extends VezaError {
  readonly code = 'config-syntax';
  readonly exitStatus = ExitStatus.invalid;
  override readonly httpStatus = 422;
  override readonly hint: string;
  readonly file: string;
  /** 1-based; null when the parser does not say. */
  readonly line: number | null;
  readonly column: number | null;
  constructor(
    file: string,
    place: { readonly line: number | null; readonly column: number | null },
    reason: string,
    hint = 'Correct the file; an editor with TypeScript shows the place.',
  ) {
    super(`${placeOf(file, place)}: ${reason}.`);
    this.file = file;
    this.line = place.line;
    this.column = place.column;
    this.hint = hint;
  }
}

/** A configuration file failed while it was run: it threw, ended the process, or did not end. */
export class ConfigFailedError extends VezaError {
  readonly code = 'config-failed';
  readonly exitStatus = ExitStatus.invalid;
  override readonly httpStatus = 422;
  override readonly hint: string;
  readonly file: string;
  readonly line: number | null;
  readonly column: number | null;
  constructor(
    file: string,
    place: { readonly line: number | null; readonly column: number | null },
    reason: string,
    hint = 'A configuration only declares: it should not read the network, wait, or depend on the machine.',
  ) {
    super(`${placeOf(file, place)}: ${reason}.`);
    this.file = file;
    this.line = place.line;
    this.column = place.column;
    this.hint = hint;
  }
}

/** A configuration file exports something else than a platform. */
export class ConfigExportError extends VezaError {
  readonly code = 'config-export';
  readonly exitStatus = ExitStatus.invalid;
  override readonly httpStatus = 422;
  override readonly hint =
    "End it with `export default definePlatform({ … })`, and import definePlatform from 'veza-deploy'.";
  readonly file: string;
  constructor(file: string, got: string) {
    super(`${file} must export a platform by default; it exports ${got}.`);
    this.file = file;
  }
}

/** The platform that a configuration file declares holds mistakes. Carries all of them. */
export class ConfigInvalidError extends VezaError {
  readonly code = 'config-invalid';
  readonly exitStatus = ExitStatus.invalid;
  override readonly httpStatus = 422;
  override readonly hint = 'Correct them and run `veza validate`; what each key means is in docs/declaration.md.';
  readonly file: string;
  readonly mistakes: readonly {
    readonly path: string;
    readonly message: string;
    readonly line: number | null;
    readonly column: number | null;
  }[];
  /** @param formatted - the mistakes as text for people */
  constructor(file: string, mistakes: ConfigInvalidError['mistakes'], formatted: string) {
    super(formatted);
    this.file = file;
    this.mistakes = mistakes;
  }
}

const placeOf = (
  file: string,
  { line, column }: { readonly line: number | null; readonly column: number | null },
): string => (line === null ? file : `${file}:${line}${column === null ? '' : `:${column}`}`);

/** The gateway's process could not be started, or ended before it answered. */
export class GatewayStartError extends VezaError {
  readonly code = 'gateway-start';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 503;
  override readonly hint: string;
  constructor(reason: string, logFile: string) {
    super(`The gateway did not start: ${reason}${reason.endsWith('.') ? '' : '.'}`);
    this.hint = `${remedy(reason)} It is tried again every few seconds while the control plane runs. The gateway's log is ${logFile}.`;
  }
}

/** What a gateway that cannot start needs of a person. */
function remedy(reason: string): string {
  if (reason.includes('ENOSPC')) return 'Free some space on the disk of the state folder.';
  if (/listens? on|not an address/.test(reason))
    return 'Free the address (`ss -ltnp` shows who listens), or choose another under `listen` of the target.';
  return 'Correct what it says, or `listen` and `https` of the target.';
}

/** The gateway does not answer on its control socket. Traffic may well flow on. */
export class GatewayUnreachableError extends VezaError {
  readonly code = 'gateway-unreachable';
  readonly exitStatus = ExitStatus.unreachable;
  override readonly httpStatus = 503;
  override readonly hint = 'Run `veza up`; it starts a gateway that is gone. The last table stays in force meanwhile.';
  constructor(socket: string, reason: string) {
    super(`The gateway does not answer on ${socket}: ${reason}`);
  }
}

/** A gateway runs for this state folder, but not as this control plane needs it. */
export class GatewayMismatchError extends VezaError {
  readonly code = 'gateway-mismatch';
  readonly exitStatus = ExitStatus.conflict;
  override readonly httpStatus = 409;
  override readonly hint = 'Run `veza down`, then `veza up`.';
}

/** The gateway refused a message: a port is taken, an instance is still in the table, a value is out of range. */
export class GatewayRefusedError extends VezaError {
  readonly code = 'gateway-refused';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 422;
  override readonly hint: string;
  /** The gateway's own word for it. */
  readonly refusal: string;
  constructor(refusal: string, message: string) {
    super(message);
    this.refusal = refusal;
    this.hint =
      refusal === 'port-unavailable'
        ? 'Free the port, or move the range under `ports` of the target.'
        : 'Nothing was changed. `veza logs gateway` shows what the gateway says.';
  }
}

/** There is no earlier release to go back to. */
export class NothingToRollBackError extends VezaError {
  readonly code = 'nothing-to-roll-back';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint =
    'A rollback goes to a release that has been live here. `veza releases` lists what there is; `--to ID` names one.';
  constructor(service: string | null, environment: string) {
    super(
      service === null
        ? `Nothing in ${environment} has an earlier release to go back to.`
        : `${service} has no earlier release in ${environment} to go back to.`,
    );
  }
}

/** A service or resource refers to a secret that nobody has set in this environment. */
export class MissingSecretError extends VezaError {
  readonly code = 'missing-secret';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  readonly environment: string;
  readonly neededBy: string;
  readonly secret: string;
  constructor(request: {
    readonly environment: string;
    readonly neededBy: string;
    readonly secret: string;
    readonly reference: string;
  }) {
    const { environment, neededBy, secret, reference } = request;
    super(`${neededBy} needs the secret ${secret} (${reference}), which is not set in ${environment}.`);
    this.environment = environment;
    this.neededBy = neededBy;
    this.secret = secret;
    this.hint = `Set it with \`veza secrets set ${secret} --environment ${environment}\`, the value on standard input.`;
  }
}

/** Somebody else set the secret in between. */
export class SecretConflictError extends VezaError {
  readonly code = 'secret-conflict';
  readonly exitStatus = ExitStatus.conflict;
  override readonly httpStatus = 409;
  override readonly hint = 'Look at the current version with `veza secrets list`, then decide again.';
  readonly secret: string;
  readonly expected: number;
  readonly found: number;
  constructor(secret: string, expected: number, found: number) {
    super(`The secret ${secret} is at version ${found}, not ${expected}: nothing was changed.`);
    this.secret = secret;
    this.expected = expected;
    this.found = found;
  }
}

/** A secret's name or value cannot be used. The value is not part of the message. */
export class SecretRefusedError extends VezaError {
  readonly code = 'secret-refused';
  readonly exitStatus = ExitStatus.invalid;
  override readonly httpStatus = 422;
  override readonly hint = 'Nothing was changed. Set it again, as docs/secrets.md says.';
  constructor(secret: string, reason: string) {
    super(`The secret ${secret} was not set: ${reason}.`);
  }
}

/** The secrets cannot be read or written. */
export class SecretStoreError extends VezaError {
  readonly code = 'secret-store';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 503;
  override readonly hint: string;
  readonly file: string;
  constructor(file: string, reason: string, hint: string) {
    super(`The secrets in ${file} cannot be used: ${reason}.`);
    this.file = file;
    this.hint = hint;
  }
}

/** A service has no release in an environment yet. */
export class NotDeployedError extends VezaError {
  readonly code = 'not-deployed';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  constructor(service: string, environment: string) {
    super(`${service} has no release in ${environment} yet.`);
    this.hint = `Deploy it (\`veza deploy ${service} --environment ${environment}\`), or name a release with \`--release\`.`;
  }
}

/** The running gateway could not be replaced; it goes on as it was. */
export class GatewayUpgradeError extends VezaError {
  readonly code = 'gateway-upgrade';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 409;
  override readonly hint: string;
  constructor(reason: string, logFile: string) {
    super(`The gateway was not replaced: ${reason}${reason.endsWith('.') ? '' : '.'} The old one goes on, unchanged.`);
    this.hint = `${remedy(reason)} Then run \`veza gateway upgrade\` again. The gateway's log is ${logFile}.`;
  }
}

/** HAProxy is not installed, or is older than the driver can use. */
export class HaproxyMissingError extends VezaError {
  readonly code = 'haproxy-missing';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 503;
  override readonly hint =
    'Install HAProxy 2.6 or later with Lua (`apt-get install haproxy`), or set `router: gateway` for the target.';
  constructor(reason: string) {
    super(`The router haproxy cannot be used: ${reason}.`);
  }
}

/** HAProxy could not be started, ended, or does not answer on its sockets. */
export class HaproxyStartError extends VezaError {
  readonly code = 'haproxy-start';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 503;
  override readonly hint: string;
  constructor(reason: string, logFile: string) {
    super(`HAProxy does not run: ${reason}${reason.endsWith('.') ? '' : '.'}`);
    this.hint = `Free the address (\`ss -ltnp\` shows who listens), or choose another under \`listen\` of the target. HAProxy's log is ${logFile}.`;
  }
}

/** HAProxy cannot be told this: a port is taken, a setting is not possible with it, its own check found a mistake. */
export class HaproxyRefusedError extends VezaError {
  readonly code = 'haproxy-refused';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint = 'Nothing was changed. What HAProxy can do is in docs/haproxy.md.';
  readonly reason: 'config' | 'port-unavailable' | 'unsupported' | 'still-in-table' | 'runtime';
  constructor(reason: HaproxyRefusedError['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** A service that users do not reach has nothing that could be put before it. */
export class NotRoutedError extends VezaError {
  readonly code = 'not-routed';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  constructor(service: string, environment: string) {
    super(`${service} has no route in ${environment}: users do not reach it, so there is nothing to keep from them.`);
    this.hint = 'Name a service that has a `route` in veza.config.ts: `veza status` shows which have a URL.';
  }
}

/** A certificate or its key cannot be used by the gateway. */
export class CertificateRefusedError extends VezaError {
  readonly code = 'certificate-refused';
  readonly exitStatus = ExitStatus.invalid;
  override readonly httpStatus = 422;
  override readonly hint =
    'Put the certificate chain and its key there as docs/tls.md says; the gateway takes them up by itself.';
  readonly file: string;
  constructor(file: string, reason: string) {
    super(`${file} cannot be used: ${reason}.`);
    this.file = file;
  }
}

/** The certificate authority did not issue a certificate. */
export class CertificateOrderError extends VezaError {
  readonly code = 'certificate-order';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 502;
  override readonly hint =
    'It is tried again by itself; `veza gateway status` says when. What the authority needs is in docs/tls.md.';
  readonly directory: string;
  /** The authority's own word for it (RFC 8555, 6.7), without its prefix; null when it did not answer. */
  readonly problem: string | null;
  /** Milliseconds that the authority asks to wait; null when it says nothing about it. */
  readonly retryAfterMs: number | null;
  constructor(directory: string, reason: string, problem: string | null, retryAfterMs: number | null) {
    super(`${directory} did not issue a certificate: ${reason}.`);
    this.directory = directory;
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Another service has the hosts and paths that a release would claim. */
export class RouteTakenError extends VezaError {
  readonly code = 'route-taken';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  readonly owner: string;
  /** @param taken - `how` the owner gives them up: it is removed, deployed as it is declared now, or declared otherwise */
  constructor(taken: {
    readonly service: string;
    readonly environment: string;
    readonly claim: string;
    readonly owner: string;
    readonly how: 'remove' | 'deploy' | 'declare';
  }) {
    const { service, environment, claim, owner, how } = taken;
    super(
      `${service} is not deployed to ${environment}: its route claims ${claim}, and ${owner} has that there` +
        `${how === 'remove' ? ', though it is not declared any more' : ''}.`,
    );
    this.owner = owner;
    this.hint = {
      remove: `Nothing was changed. Take it away (\`veza remove ${owner} -e ${environment}\`), then deploy again.`,
      deploy: `Nothing was changed. Deploy ${owner} as it is declared now, which gives it up (\`veza deploy ${owner} -e ${environment}\`), then ${service}.`,
      declare: `Nothing was changed. Give ${service} or ${owner} another host or path in veza.config.ts, then deploy again.`,
    }[how];
  }
}

/** A service is not taken away: it is declared, or a deployment of it is under way. */
export class RemovalRefusedError extends VezaError {
  readonly code = 'removal-refused';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 409;
  override readonly hint: string;
  constructor(service: string, environment: string, why: string, hint: string) {
    super(`${service} is not removed from ${environment}: ${why}.`);
    this.hint = hint;
  }
}

/** Nothing is kept of what a deployment was judged by. */
export class EvidenceNotKeptError extends VezaError {
  readonly code = 'evidence-not-kept';
  readonly exitStatus = ExitStatus.failed;
  override readonly httpStatus = 404;
  override readonly hint: string;
  readonly deployment: string;
  /** @param wasExposed users or copies were on its candidate, so there has been evidence */
  constructor(deployment: string, wasExposed: boolean) {
    super(
      wasExposed
        ? `Nothing is kept any more of what ${deployment} was judged by.`
        : `${deployment} was not judged: nobody was on its candidate.`,
    );
    this.deployment = deployment;
    this.hint = wasExposed
      ? 'Records of the newest 200 deployments of an environment are kept; `veza show` has what was measured at the verdict.'
      : '`veza show` says what became of it.';
  }
}

/** A report could not be written where it was wanted. */
export class ReportNotWrittenError extends VezaError {
  readonly code = 'report-not-written';
  readonly exitStatus = ExitStatus.failed;
  override readonly hint = 'Name another file with `--output FILE`, or print it with `--output -`.';
  readonly file: string;
  constructor(file: string, why: string) {
    super(`The report could not be written to ${file}: ${why}.`);
    this.file = file;
  }
}

/** An image could not be read as a whole, so nothing can be said about it. */
export class ImageUnreadableError extends VezaError {
  readonly code = 'image-unreadable';
  readonly exitStatus = ExitStatus.refused;
  override readonly httpStatus = 422;
  override readonly hint: string;
  readonly image: string;
  /** @param where a layer, an entry or a document of the image, in words */
  constructor(image: string, where: string, why: string, hint?: string) {
    super(`The image ${image} cannot be scanned: ${where}: ${why}.`);
    this.image = image;
    this.hint = hint ?? 'What cannot be read does not pass. Build the image again, or have whoever made it look at it.';
  }
}
