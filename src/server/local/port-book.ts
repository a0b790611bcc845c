import { isPortFree } from '../../drivers/runtime/supervision/ports.ts';
import { CapacityError } from '../../errors.ts';

/** Kind of the journal's entry for a port that has been given out. */
export const PORT_ASSIGNED = 'port-assigned';

export interface PortAssignment {
  readonly environment: string;
  /** `service/api` or `resource/db`. */
  readonly owner: string;
  readonly port: number;
}

/**
 * Fixed ports of an environment: internal addresses of services, and embedded resources. Given out from the upper end of
 * the declared range, once; instances take theirs from the lower end. What is given out is journaled and stays.
 */
export class PortBook {
  readonly #ports = new Map<string, number>();
  readonly #record: (assignment: PortAssignment) => void;

  constructor(record: (assignment: PortAssignment) => void) {
    this.#record = record;
  }

  /** An assignment out of the journal. */
  restore({ environment, owner, port }: PortAssignment): void {
    this.#ports.set(`${environment} ${owner}`, port);
  }

  find(environment: string, owner: string): number | null {
    return this.#ports.get(`${environment} ${owner}`) ?? null;
  }

  /** @throws CapacityError when the range has no free port left */
  async assign(
    environment: string,
    owner: string,
    range: { readonly from: number; readonly to: number },
  ): Promise<number> {
    const known = this.find(environment, owner);
    if (known !== null) return known;
    const taken = new Set(this.#ports.values());
    for (let port = range.to; port >= range.from; port -= 1) {
      if (taken.has(port) || !(await isPortFree(port))) continue;
      const assignment = { environment, owner, port };
      this.restore(assignment);
      this.#record(assignment);
      return port;
    }
    throw new CapacityError(
      `No port between ${range.from} and ${range.to} is free for ${owner} of ${environment}.`,
      'Declare a wider range under environments → target → ports.',
    );
  }
}
