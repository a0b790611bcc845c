import { join } from 'node:path';
import type { ReleaseId } from '../../../../core/release/release.ts';
import { slotKey, type SlotRef } from '../../../../core/slot.ts';
import { CapacityError, RuntimeFolderError } from '../../../../errors.ts';
import { mergeStreams } from '../../../../system/merge-streams.ts';
import type { LogLine, LogQuery, OneOff, Runtime, SlotDesire, SlotStatus } from '../../runtime.ts';
import { forgetDesire, readDesires, writeDesire } from '../../supervision/desires.ts';
import type { PortRange } from '../../supervision/ports.ts';
import { makeStateFolders } from '../../supervision/state-files.ts';
import type { DockerHost } from '../api/connection.ts';
import { createDockerRuntime } from '../docker-runtime.ts';
import type { ImageSupply } from '../image-supply.ts';
import { FleetHost } from './fleet-host.ts';
import { inWaves, placeInstances } from './placement.ts';

export interface FleetOptions {
  /** Folder for records; made when missing, readable by its owner only. Each host has its own below. */
  readonly stateDir: string;
  readonly platform: string;
  readonly environment: string;
  readonly hosts: readonly {
    readonly name: string;
    readonly engine: DockerHost;
    /** Where its instances are reached from this machine. */
    readonly address: string;
  }[];
  /** Address of this machine as instances reach it. */
  readonly machine: string;
  /** Hosts that get something new at the same time. */
  readonly atATime: number;
  readonly ports: PortRange;
  readonly images: ImageSupply;
}

/**
 * The runtime that runs instances as containers on several Docker hosts. A slot's instances are shared among those that answer;
 * those of one that has gone away are started on the others. What is new gets to so many hosts at a time: the next ones when all is
 * ready on those before.
 *
 * @throws RuntimeFolderError, DockerNetworkError; a host that does not answer is no error
 */
export async function createDockerFleet(options: FleetOptions): Promise<Runtime> {
  const fleet = new DockerFleet(options);
  try {
    await fleet.begin();
  } catch (error) {
    await fleet.close();
    throw error;
  }
  return fleet;
}

class DockerFleet implements Runtime {
  readonly machine: string;
  readonly #options: FleetOptions;
  readonly #hosts: readonly FleetHost[];
  readonly #desires = new Map<string, SlotDesire>();
  readonly #turns = new Map<string, Promise<void>>();
  readonly #listeners = new Set<(status: SlotStatus) => void>();
  readonly #failures = new Map<string, string>();
  readonly #closing = new AbortController();

  constructor(options: FleetOptions) {
    const { stateDir, platform, environment, hosts, machine, ports, images } = options;
    this.#options = options;
    this.machine = machine;
    this.#hosts = hosts.map(
      ({ name, engine, address }) =>
        new FleetHost({
          name,
          engine,
          open: async () => {
            const runtime = await createDockerRuntime({
              stateDir: this.#folder(name),
              platform,
              environment,
              host: engine,
              network: { kind: 'published', address, machine },
              ports,
              images,
            });
            runtime.subscribe(({ ref }) => this.#changed(ref));
            return runtime;
          },
          onChange: () => this.#allChanged(),
        }),
    );
    try {
      makeStateFolders(stateDir);
    } catch (error) {
      throw new RuntimeFolderError(stateDir, error instanceof Error ? error.message : String(error));
    }
  }

  #folder(host: string): string {
    return join(this.#options.stateDir, 'hosts', host);
  }

  async begin(): Promise<void> {
    for (const desire of await readDesires(this.#options.stateDir)) this.#desires.set(slotKey(desire.ref), desire);
    await Promise.all(this.#hosts.map((host) => host.begin()));
    this.#allChanged();
  }

  get #living(): readonly (readonly [host: FleetHost, runtime: Runtime])[] {
    return this.#hosts.flatMap((host) =>
      host.runtime === null || host.away !== null ? [] : [[host, host.runtime] as const],
    );
  }

  async limitations(): Promise<readonly string[]> {
    const own = await Promise.all(
      this.#living.map(async ([{ name }, runtime]) =>
        (await runtime.limitations()).map((text) => `Host ${name}: ${text}`),
      ),
    );
    const away = this.#hosts.flatMap(({ name, away: why }) =>
      why === null ? [] : [`Host ${name} is away, and its instances are started on others: ${why}`],
    );
    return [...away, ...own.flat(), ...this.#failures.values()];
  }

  async reserve(desire: SlotDesire, count: number, signal: AbortSignal): Promise<void> {
    if ((desire.folders ?? []).length > 0)
      throw new CapacityError(
        `${desire.ref.service} writes to a folder of this machine, and ${desire.ref.environment} runs on several hosts.`,
        'Declare its storage by URL (S3), so that every host reaches it.',
      );
    const shares = await this.#shares(desire, signal);
    if (shares.size === 0) throw this.#nobody(desire);
    // Images get to all hosts at the same time.
    await Promise.all(
      this.#living.map(([{ name }, runtime]) => {
        const share = shares.get(name) ?? 0;
        return runtime.reserve({ ...desire, instances: share }, Math.min(share, count), signal);
      }),
    );
  }

  #nobody({ ref }: SlotDesire): CapacityError {
    const why = this.#hosts.map(({ name, away }) => `${name}: ${away ?? 'not reached yet'}`).join('; ');
    return new CapacityError(
      `No host of ${ref.environment} answers (${why}).`,
      'See that `ssh` to them works without a question, and that their Docker Engines run.',
    );
  }

  /** What each living host shall run of a slot. */
  async #shares(desire: SlotDesire, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const hosts = await Promise.all(
      this.#hosts.map(async ({ name, away, runtime }) => {
        const status = runtime === null ? null : await statusOf(runtime, desire, signal);
        const has = status?.wanted ?? 0;
        return { name, away: away !== null || runtime === null, has, settled: readyOf(status) >= has };
      }),
    );
    return placeInstances(desire.instances, hosts);
  }

  async apply(desire: SlotDesire, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#living.length === 0) throw this.#nobody(desire);
    writeDesire(this.#options.stateDir, desire);
    this.#desires.set(slotKey(desire.ref), desire);
    await this.#settle(desire.ref, true);
  }

  /** Brings hosts to what is desired, as far as it goes for now. One at a time a slot. @param strict whether failures are the caller's */
  #settle(ref: SlotRef, strict: boolean): Promise<void> {
    const key = slotKey(ref);
    const before = this.#turns.get(key);
    const mine = (async () => {
      await before?.catch(() => undefined);
      if (this.#closing.signal.aborted) return;
      try {
        await this.#place(key);
        this.#failures.delete(key);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        this.#failures.set(key, `${ref.service} cannot be shared among hosts: ${why}`);
        if (strict) throw error;
      }
    })();
    this.#turns.set(key, mine);
    return mine;
  }

  async #place(key: string): Promise<void> {
    const desire = this.#desires.get(key);
    if (desire === undefined) return;
    const { signal } = this.#closing;
    const shares = await this.#shares(desire, signal);
    for (const wave of inWaves(this.#living, this.#options.atATime)) {
      const done = await Promise.all(
        wave.map(async ([{ name }, runtime]) => {
          const share = shares.get(name) ?? 0;
          const status = await statusOf(runtime, desire, signal);
          if (share === 0) {
            if (status !== null && status.wanted > 0) void runtime.remove(desire.ref, signal).catch(() => undefined);
            return true;
          }
          await runtime.apply({ ...desire, instances: share }, signal);
          return readyOf(await statusOf(runtime, desire, signal)) >= share;
        }),
      );
      // The next ones when these are ready: a change of theirs brings us here again.
      if (done.includes(false)) return;
    }
  }

  async remove(ref: SlotRef, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const key = slotKey(ref);
    forgetDesire(this.#options.stateDir, ref);
    this.#desires.delete(key);
    this.#failures.delete(key);
    await this.#turns.get(key)?.catch(() => undefined);
    await Promise.all(
      this.#hosts.map(async ({ name, away, runtime }) => {
        // What is never wanted again ends when the host comes back.
        if (runtime === null) forgetDesire(this.#folder(name), ref);
        else if (away === null) await runtime.remove(ref, signal);
        else void runtime.remove(ref, this.#closing.signal).catch(() => undefined);
      }),
    );
  }

  async observe(signal: AbortSignal): Promise<readonly SlotStatus[]> {
    const all = await Promise.all(this.#hosts.map(async ({ runtime }) => (await runtime?.observe(signal)) ?? []));
    const refs = new Map<string, SlotRef>();
    for (const { ref } of [...this.#desires.values(), ...all.flat()]) refs.set(slotKey(ref), ref);
    return [...refs.values()].map((ref) => this.#merged(ref, all));
  }

  #merged(ref: SlotRef, all: readonly (readonly SlotStatus[])[]): SlotStatus {
    const key = slotKey(ref);
    const desire = this.#desires.get(key);
    const found = all.flatMap((statuses, at) => {
      const status = statuses.find((each) => slotKey(each.ref) === key);
      return status === undefined ? [] : [{ status, away: (this.#hosts[at]?.away ?? null) !== null }];
    });
    const release = desire?.release ?? found[0]?.status.release;
    if (release === undefined) throw new TypeError(`nobody knows ${key}`);
    const same = found.filter(({ status }) => status.release === release);
    return {
      ref,
      release,
      wanted: desire?.instances ?? same.reduce((sum, { status }) => sum + status.wanted, 0),
      // Of a host that is away counts what still answers users; the rest is replaced.
      instances: same.flatMap(({ status, away }) =>
        away ? status.instances.filter(({ state }) => state === 'ready') : status.instances,
      ),
    };
  }

  subscribe(listener: (status: SlotStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #changed(ref: SlotRef): void {
    void this.#tell(ref);
    void this.#settle(ref, false);
  }

  #allChanged(): void {
    for (const { ref } of this.#desires.values()) this.#changed(ref);
  }

  async #tell(ref: SlotRef): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    const all = await Promise.all(this.#hosts.map(async ({ runtime }) => (await runtime?.observe(signal)) ?? []));
    const key = slotKey(ref);
    const known = this.#desires.has(key) || all.flat().some((status) => slotKey(status.ref) === key);
    // What is gone has no release any more, and nobody asks for it.
    const status = known ? this.#merged(ref, all) : { ref, release: '' as ReleaseId, wanted: 0, instances: [] };
    for (const listener of this.#listeners) listener(status);
  }

  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    return mergeStreams(this.#living.map(([, runtime]) => runtime.logs(query, signal)));
  }

  run(oneOff: OneOff, signal: AbortSignal): Promise<number> {
    const [first] = this.#living;
    if (first === undefined)
      throw new CapacityError('No host answers.', 'See that `ssh` to them works, and that their Engines run.');
    return first[1].run(oneOff, signal);
  }

  async dismantle(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#living.map(([, runtime]) => runtime.dismantle(signal)));
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('The runtime was closed.'));
    await Promise.all([...this.#turns.values()].map((turn) => turn.catch(() => undefined)));
    await Promise.all(this.#hosts.map((host) => host.close()));
  }
}

/** What a host runs of a slot, if it is of the release that is wanted. */
async function statusOf(runtime: Runtime, desire: SlotDesire, signal: AbortSignal): Promise<SlotStatus | null> {
  const key = slotKey(desire.ref);
  const found = (await runtime.observe(signal)).find((status) => slotKey(status.ref) === key);
  return found?.release === desire.release ? found : null;
}

const readyOf = (status: SlotStatus | null): number =>
  status?.instances.filter(({ state }) => state === 'ready').length ?? 0;
