import type { ReleaseId } from '../core/release/release.ts';
import type { Endpoint } from '../core/route-table.ts';
import { slotKey, type Slot, type SlotRef } from '../core/slot.ts';
import type { Service } from '../core/spec/platform.ts';
import type { SlotDesire, SlotStatus } from '../drivers/runtime/runtime.ts';
import { ConfigurationMissingError } from '../errors.ts';
import type { EnvironmentParts, Releases } from './environment.ts';

/** How a slot stands, for a deployment that waits for it. */
export interface SlotReadiness {
  readonly ready: number;
  /** It cannot get ready by itself, in the instance's own words. */
  readonly fault: string | null;
  readonly note: string | null;
}

/** The slots of one environment: what they shall run, and how they stand. One request a slot at a time. */
export class Slots {
  readonly #parts: EnvironmentParts;
  readonly #releases: Releases;
  readonly #statuses = new Map<string, SlotStatus>();
  readonly #turns = new Map<string, Promise<void>>();
  readonly #unsubscribe: () => void;

  constructor(parts: EnvironmentParts, releases: Releases, onChange: (ref: SlotRef) => void) {
    this.#parts = parts;
    this.#releases = releases;
    this.#unsubscribe = parts.runtime.subscribe((status) => {
      this.#statuses.set(slotKey(status.ref), status);
      onChange(status.ref);
    });
  }

  close(): void {
    this.#unsubscribe();
  }

  /** Asks the runtime how everything stands. */
  async refresh(signal: AbortSignal): Promise<readonly SlotStatus[]> {
    const statuses = await this.#parts.runtime.observe(signal);
    for (const status of statuses) this.#statuses.set(slotKey(status.ref), status);
    return statuses;
  }

  ref(service: string, slot: Slot): SlotRef {
    return { environment: this.#parts.declared.name, service, slot };
  }

  status(service: string, slot: Slot): SlotStatus | null {
    return this.#statuses.get(slotKey(this.ref(service, slot))) ?? null;
  }

  /** Slots of this environment in which something runs, or shall. */
  occupied(): readonly SlotRef[] {
    return [...this.#statuses.values()]
      .filter(
        ({ ref, wanted, instances }) => ref.environment === this.#parts.declared.name && wanted + instances.length > 0,
      )
      .map(({ ref }) => ref);
  }

  /** Ready instances of a slot, as the router needs them; none when the slot runs another release. */
  endpoints(service: string, slot: Slot, release: string): readonly Endpoint[] {
    const status = this.status(service, slot);
    if (status === null || status.release !== release) return [];
    return status.instances
      .filter((instance) => instance.state === 'ready')
      .map(({ id, address }) => ({ id, host: address.host, port: address.port }));
  }

  /** Where ready instances of a slot export their metrics; null when they have no port for them. */
  metrics(service: string, slot: Slot, release: string): readonly Endpoint[] | null {
    const status = this.status(service, slot);
    if (status === null || status.release !== release) return null;
    const ready = status.instances.filter((instance) => instance.state === 'ready');
    const found = ready.flatMap(({ id, metrics }) => (metrics === undefined ? [] : [{ id, ...metrics }]));
    return found.length === 0 ? null : found;
  }

  readiness(service: string, slot: Slot, release: string): SlotReadiness {
    const status = this.status(service, slot);
    if (status === null || status.release !== release) return { ready: 0, fault: null, note: null };
    const looping = status.instances.find((instance) => instance.state === 'crash-looping');
    const waiting = status.instances.find((instance) => instance.state !== 'ready' && instance.reason !== null);
    return {
      ready: status.instances.filter((instance) => instance.state === 'ready').length,
      fault: looping === undefined ? null : (looping.reason ?? 'it does not stay up'),
      note: waiting?.reason ?? null,
    };
  }

  /** Ids of the instances that the slot has now. */
  instances(service: string, slot: Slot): readonly string[] {
    return this.status(service, slot)?.instances.map((instance) => instance.id) ?? [];
  }

  /** The service as this environment runs it, out of a release. */
  service(release: ReleaseId, service: string): Service {
    const { name } = this.#parts.declared;
    const config = this.#releases.get(release).config[name];
    if (config === undefined) throw new ConfigurationMissingError(release, service, name);
    return config;
  }

  /** Checks that there is room for `count` more instances of a release. */
  async reserve(release: ReleaseId, service: string, slot: Slot, count: number, signal: AbortSignal): Promise<void> {
    const declared = this.service(release, service);
    // Room does not depend on what is in the environment, and secrets may still be missing.
    const desire = await this.#desire(release, declared, slot, count, {}, signal);
    await this.#parts.runtime.reserve(desire, Math.max(0, count - this.#running(service, slot, release)), signal);
  }

  #running(service: string, slot: Slot, release: string): number {
    const status = this.status(service, slot);
    return status !== null && status.release === release ? status.instances.length : 0;
  }

  /**
   * Makes a slot run `count` instances of a release; more when it runs more of it already, left over from another
   * deployment. One that is stopped here could be in the table: only `remove` stops what has been ready.
   *
   * @param deployment that asks for it, for what it starts; null when nobody knows
   */
  async apply(
    release: ReleaseId,
    service: string,
    slot: Slot,
    count: number,
    signal: AbortSignal,
    deployment: string | null = null,
  ): Promise<void> {
    await this.#inTurn(service, slot, async () => {
      signal.throwIfAborted();
      const declared = this.service(release, service);
      const variables = await this.#parts.configuration.variables(declared, signal);
      const size = Math.max(count, this.#wanted(service, slot, release));
      const { configuration, runtime } = this.#parts;
      const desire = {
        ...(await this.#desire(release, declared, slot, size, variables, signal)),
        ...(await configuration.attachments(declared)),
      };
      await runtime.apply(deployment === null ? desire : { ...desire, deployment }, signal);
    });
  }

  #wanted(service: string, slot: Slot, release: string): number {
    const status = this.status(service, slot);
    return status !== null && status.release === release ? status.wanted : 0;
  }

  async remove(service: string, slot: Slot, signal: AbortSignal): Promise<void> {
    await this.#inTurn(service, slot, async () => {
      const ref = this.ref(service, slot);
      await this.#parts.runtime.remove(ref, signal);
      this.#statuses.delete(slotKey(ref));
    });
  }

  async #desire(
    release: ReleaseId,
    declared: Service,
    slot: Slot,
    count: number,
    environment: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<SlotDesire> {
    return {
      ref: this.ref(declared.name, slot),
      release,
      artifactDir: await this.#releases.unpack(this.#releases.get(release), signal),
      run: declared.run,
      instances: count,
      ...(declared.metrics ? { metrics: true } : {}),
      environment,
      health: declared.health,
      restart: declared.restart,
      stopGraceMs: declared.stop.graceMs,
      limits: declared.limits,
    };
  }

  /** A request that is not wanted any more may still be under way; what undoes it waits for it. */
  async #inTurn(service: string, slot: Slot, task: () => Promise<void>): Promise<void> {
    const key = slotKey(this.ref(service, slot));
    const before = this.#turns.get(key) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(task);
    this.#turns.set(key, mine);
    try {
      await mine;
    } finally {
      if (this.#turns.get(key) === mine) this.#turns.delete(key);
    }
  }
}
