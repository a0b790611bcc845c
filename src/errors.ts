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
    super(`Router write for ${service} is older than what is in force (epoch ${inForce.epoch}, version ${inForce.version}).`);
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
  override readonly hint = 'Another control plane has taken over; this one must stop. Run `veza status` to see which one is in charge.';
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
  constructor(stateDir: string, reason: string, hint = `Its log is ${stateDir}/control.log; \`veza doctor\` checks what it needs.`) {
    super(`The control plane did not start: ${reason}.`);
    this.stateDir = stateDir;
    this.hint = hint;
  }
}
