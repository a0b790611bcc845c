import { routeEntry } from '../core/plan/route-entry.ts';
import type { Ledger } from '../core/rollout/ledger.ts';
import type { DeploymentState } from '../core/rollout/state.ts';
import type { RouteEdge } from '../core/route-edge.ts';
import type { RouteTableEntry } from '../core/route-table.ts';
import type { Clock } from './clock.ts';
import type { EnvironmentParts } from './environment.ts';
import type { Slots } from './slots.ts';

const RETRY_MS = 500;

/**
 * Keeps the router's table of one environment at what the journal and the ready instances say. Writes of a service follow
 * one another; each computes its entry when it is its turn, so the newest truth is what is written.
 */
export class Routes {
  readonly #parts: EnvironmentParts;
  readonly #slots: Slots;
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #epoch: number;
  readonly #maintenance: (service: string) => RouteEdge['maintenance'];
  readonly #onTrouble: (trouble: string | null) => void;
  readonly #inForce = new Map<string, string>();
  readonly #writing = new Map<string, Promise<void>>();
  readonly #waiting = new Map<string, Promise<void>>();
  readonly #retries = new Map<string, () => void>();
  readonly #abort = new AbortController();
  #version = 0;
  #rewrites = 0;

  constructor(options: {
    readonly parts: EnvironmentParts;
    readonly slots: Slots;
    readonly ledger: Ledger;
    readonly clock: Clock;
    readonly epoch: number;
    readonly maintenance: (service: string) => RouteEdge['maintenance'];
    /** The router cannot be reached (text), or can be again (null). */
    readonly onTrouble: (trouble: string | null) => void;
  }) {
    this.#parts = options.parts;
    this.#slots = options.slots;
    this.#ledger = options.ledger;
    this.#clock = options.clock;
    this.#epoch = options.epoch;
    this.#maintenance = options.maintenance;
    this.#onTrouble = options.onTrouble;
  }

  close(): void {
    this.#abort.abort(new Error('the control plane is closing'));
    for (const cancel of this.#retries.values()) cancel();
  }

  /** Resolves when what is true now (or later) is in force for the service. */
  async sync(service: string): Promise<void> {
    const waiting = this.#waiting.get(service);
    if (waiting !== undefined) return waiting;
    const before = this.#writing.get(service) ?? Promise.resolve();
    const mine = before
      .catch(() => undefined)
      .then(() => {
        this.#waiting.delete(service);
        return this.#write(service);
      });
    this.#waiting.set(service, mine);
    this.#writing.set(service, mine);
    return mine;
  }

  /** Like `sync`, tried until it works: for changes that nobody waits for. */
  refresh(service: string): void {
    this.sync(service).then(
      () => this.#onTrouble(null),
      (error: unknown) => {
        if (this.#abort.signal.aborted) return;
        this.#onTrouble(error instanceof Error ? error.message : String(error));
        this.#retries.get(service)?.();
        this.#retries.set(
          service,
          this.#clock.after(RETRY_MS, () => this.refresh(service)),
        );
      },
    );
  }

  /**
   * Writes every service again, whatever was written before, tried until it works: for a router that was started anew and
   * may have an older table, or none. What it has lost nobody would write otherwise until the service changes.
   */
  rewrite(): void {
    const { name } = this.#parts.declared;
    const known = [...this.#ledger.records()].filter(({ environment }) => environment === name);
    const moving = this.#ledger.active().filter(({ plan }) => plan.environment === name);
    const services = new Set([
      ...this.#inForce.keys(),
      ...known.map(({ service }) => service),
      ...moving.flatMap(({ plan }) => plan.legs.map(({ service }) => service)),
    ]);
    this.#rewrites += 1;
    this.#inForce.clear();
    for (const service of services) this.refresh(service);
  }

  async #write(service: string): Promise<void> {
    const entry = this.#entry(service);
    const text = JSON.stringify(entry);
    if (this.#inForce.get(service) === text) return;
    this.#inForce.delete(service);
    this.#version += 1;
    const rewrites = this.#rewrites;
    const stamp = { epoch: this.#epoch, version: this.#version };
    if (entry === null) await this.#parts.router.remove(stamp, service, this.#abort.signal);
    else await this.#parts.router.write(stamp, entry, this.#abort.signal);
    // The router that has acknowledged it may be the one that is gone.
    if (rewrites === this.#rewrites) this.#inForce.set(service, text);
  }

  #entry(service: string): RouteTableEntry | null {
    const environment = this.#parts.declared.name;
    const record = this.#ledger.record(environment, service);
    const deployment = this.#deployment(service);
    const candidate = deployment?.plan.legs.find((leg) => leg.service === service)?.candidate;
    const release = record.live?.release ?? candidate?.release;
    if (release === undefined) return null;
    return routeEntry({
      service,
      record,
      deployment,
      declared: this.#slots.service(release, service),
      internalPort: this.#parts.internalPort(service),
      machine: this.#parts.runtime.machine,
      maintenance: this.#maintenance(service),
      endpoints: (slot, wanted) => this.#slots.endpoints(service, slot, wanted),
    });
  }

  #deployment(service: string): DeploymentState | null {
    const environment = this.#parts.declared.name;
    return (
      this.#ledger
        .active()
        .find(
          (state) =>
            state.phase !== 'pending' &&
            state.plan.environment === environment &&
            state.plan.legs.some((leg) => leg.service === service),
        ) ?? null
    );
  }
}
