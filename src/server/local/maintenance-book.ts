import type { RouteEdge } from '../../core/route-edge.ts';

/** Kind of the journal's entry for a decision about maintenance. */
export const MAINTENANCE = 'maintenance';

type Page = NonNullable<RouteEdge['maintenance']>;

/** What somebody decided: users of a service get a page instead (`on`), or the service again. */
export interface MaintenanceDecision {
  readonly environment: string;
  readonly service: string;
  /** Null: it is over. */
  readonly on: Page | null;
  readonly by: string;
  /** UTC milliseconds. */
  readonly at: number;
}

/**
 * Services that are under maintenance. Each decision is journaled before it is in force, and stays until it is taken back:
 * over restarts, and over deployments, which go on behind the page.
 */
export class MaintenanceBook {
  readonly #decisions = new Map<string, MaintenanceDecision>();
  readonly #record: (decision: MaintenanceDecision) => void;

  constructor(record: (decision: MaintenanceDecision) => void) {
    this.#record = record;
  }

  /** A decision out of the journal. */
  restore(decision: MaintenanceDecision): void {
    const key = `${decision.environment} ${decision.service}`;
    if (decision.on === null) this.#decisions.delete(key);
    else this.#decisions.set(key, decision);
  }

  /** @throws StoreUnavailableError: then nothing has changed */
  decide(decision: MaintenanceDecision): void {
    this.#record(decision);
    this.restore(decision);
  }

  /** The decision in force; null when the service is open. */
  find(environment: string, service: string): (MaintenanceDecision & { readonly on: Page }) | null {
    const found = this.#decisions.get(`${environment} ${service}`);
    return found === undefined || found.on === null ? null : { ...found, on: found.on };
  }
}
