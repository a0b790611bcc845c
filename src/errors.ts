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
