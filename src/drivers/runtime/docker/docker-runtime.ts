import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import type { SlotRef } from '../../../core/slot.ts';
import { CapacityError } from '../../../errors.ts';
import type { LogLine, LogQuery, OneOff, Runtime, SlotDesire, SlotStatus } from '../runtime.ts';
import { hasDesire, writeDesire } from '../supervision/desires.ts';
import { availableMemory, checkMemory, instancesInWords } from '../supervision/memory.ts';
import type { PortRange } from '../supervision/ports.ts';
import { instanceDir } from '../supervision/state-files.ts';
import { Supervisor } from '../supervision/supervisor.ts';
import { DockerClient, type ListedContainer } from './api/client.ts';
import type { DockerHost } from './api/connection.ts';
import { Berths } from './berths.ts';
import { readDockerLogs } from './docker-logs.ts';
import { DockerVessel, LOST, records, type ContainerHold } from './docker-vessel.ts';
import { LoadedImages, type ImageSupply } from './image-supply.ts';
import { environmentLabels, INSTANCE, ONE_OFF, rememberedIn, type Place } from './labels.ts';
import { LogArchive } from './log-archive.ts';
import { ensureNetwork, removeNetwork } from './network.ts';
import type { NetworkPlan } from './network-plan.ts';
import { runDockerOneOff } from './one-off.ts';
import { readRoutes } from '../../../system/routes.ts';

export interface DockerRuntimeOptions {
  /** Folder for records and for what containers wrote that are gone; made when missing, readable by its owner only. */
  readonly stateDir: string;
  readonly platform: string;
  readonly environment: string;
  readonly host: DockerHost;
  readonly network: NetworkPlan;
  /** Ports that instances are given, both ends included; each has an address of its own besides. */
  readonly ports: PortRange;
  readonly images: ImageSupply;
  /** UTC milliseconds that never go backwards. Default: the wall clock at the start of the process, monotonic from there. */
  readonly now?: () => number;
  /** Unique part of new instances' names. */
  readonly uniqueName?: () => string;
}

const steadyNow = (): number => Math.round(performance.timeOrigin + performance.now());

/**
 * The runtime that runs instances as containers of a Docker Engine. Finds and adopts what an earlier one left before it
 * resolves, by its records, and where those are lost by the labels of containers.
 *
 * @throws RuntimeFolderError, DockerUnreachableError, DockerNetworkError
 */
export async function createDockerRuntime(options: DockerRuntimeOptions): Promise<Runtime> {
  const runtime = new DockerRuntime(options);
  try {
    await runtime.adopt(options.network);
  } catch (error) {
    await runtime.close();
    throw error;
  }
  return runtime;
}

class DockerRuntime implements Runtime {
  readonly machine: string;
  readonly #stateDir: string;
  readonly #place: Place;
  readonly #client: DockerClient;
  readonly #images: LoadedImages;
  readonly #berths: Berths;
  readonly #archive: LogArchive;
  readonly #vessel: DockerVessel;
  readonly #supervisor: Supervisor<ContainerHold>;
  readonly #isLocal: boolean;
  readonly #closing = new AbortController();
  readonly #limitations = new Map<string, string>();

  constructor(options: DockerRuntimeOptions) {
    const { stateDir, platform, environment, host, network, ports } = options;
    this.#stateDir = stateDir;
    this.#place = { platform, environment };
    this.#isLocal = host.kind === 'socket';
    this.#client = new DockerClient(host);
    this.#images = new LoadedImages(this.#client, options.images);
    this.#berths = new Berths(network, ports);
    this.machine = this.#berths.machine;
    this.#archive = new LogArchive(stateDir);
    this.#vessel = new DockerVessel({
      stateDir,
      place: this.#place,
      client: this.#client,
      images: this.#images,
      berths: this.#berths,
      isPublished: network.kind === 'published',
      archive: this.#archive,
      closing: this.#closing.signal,
    });
    this.#supervisor = new Supervisor({
      stateDir,
      now: options.now ?? steadyNow,
      uniqueName: options.uniqueName ?? (() => randomBytes(4).toString('hex')),
      vessel: this.#vessel,
      records,
      limit: (what, text) => void (text === null ? this.#limitations.delete(what) : this.#limitations.set(what, text)),
      keepBerth: (berth) => this.#berths.keep(berth),
      takeBerth: async (desire) => this.#berths.take(desire),
      giveBerthBack: (berth) => this.#berths.giveBack(berth),
      checkRoom: async (desire, count) => this.#checkRoom(desire, count),
      onLook: async () => undefined,
      onCreate: () => undefined,
    });
  }

  async adopt(network: NetworkPlan): Promise<void> {
    const { signal } = this.#closing;
    const routes = this.#isLocal ? await readRoutes() : '';
    const wanted =
      network.kind === 'bridge' ? { subnet: network.subnet, machine: this.machine } : { subnet: null, machine: '' };
    await ensureNetwork({ client: this.#client, place: this.#place, routes, ...wanted }, signal);
    const containers = await this.#client.list(environmentLabels(this.#place), signal);
    for (const container of containers) {
      // Nobody waits for a one-off of an earlier control plane any more.
      if (ONE_OFF in container.labels) await this.#client.remove(container.id, signal);
      else if (INSTANCE in container.labels) await this.#remember(container);
    }
    const running = containers.filter((container) => container.running && INSTANCE in container.labels);
    const found = new Map<string, readonly ContainerHold[]>();
    for (const container of running) {
      const state = await this.#client.find(container.id, signal);
      const id = container.labels[INSTANCE] ?? '';
      if (state !== null) found.set(id, [...(found.get(id) ?? []), { container: state.Id, pid: state.State.Pid }]);
    }
    await this.#supervisor.adopt(found, (id) => this.#vessel.clear(id, null));
  }

  /** Writes down again what is known of a container's instance, where that is lost. */
  async #remember(container: ListedContainer): Promise<void> {
    const id = container.labels[INSTANCE] ?? '';
    if (existsSync(instanceDir(this.#stateDir, id))) return;
    const remembered = rememberedIn(container.labels);
    const state = container.running ? await this.#client.find(container.id, this.#closing.signal) : null;
    if (remembered === null || state === null) {
      await this.#vessel.removeContainer(container);
      return;
    }
    const desire = { ...remembered.desire, environment: { [LOST]: '1' } } as unknown as SlotDesire;
    if (!hasDesire(this.#stateDir, desire.ref)) writeDesire(this.#stateDir, desire);
    mkdirSync(instanceDir(this.#stateDir, id), { recursive: true, mode: 0o700 });
    records.write(this.#stateDir, {
      ...(remembered.record as unknown as Parameters<typeof records.write>[1]),
      phase: {
        kind: 'up',
        process: { container: state.Id, pid: state.State.Pid },
        launchedAt: Date.parse(state.State.StartedAt),
        started: false,
        ready: false,
        stopping: null,
      },
    });
  }

  async limitations(): Promise<readonly string[]> {
    return [...this.#limitations.values()];
  }

  async reserve(desire: SlotDesire, count: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#checkRoom(desire, count);
    const available = this.#isLocal ? await availableMemory() : (await this.#client.info(signal)).MemTotal;
    checkMemory(desire, count, available);
    await this.#images.check(desire.artifactDir, signal);
    // Now rather than when the first instance waits for it.
    await this.#images.load(desire.artifactDir, signal);
  }

  #checkRoom(desire: SlotDesire, count: number): void {
    if (count <= 0) return;
    const shortage = this.#berths.shortage(count, desire.metrics === true ? 2 : 1);
    if (shortage === null) return;
    throw new CapacityError(
      `No room for ${instancesInWords(count)} of ${desire.ref.service}: ${shortage}.`,
      'Widen `target.subnet` or `target.ports` in veza.config.ts.',
    );
  }

  apply(desire: SlotDesire, signal: AbortSignal): Promise<void> {
    return this.#supervisor.apply(desire, signal);
  }

  remove(ref: SlotRef, signal: AbortSignal): Promise<void> {
    return this.#supervisor.remove(ref, signal);
  }

  async observe(signal: AbortSignal): Promise<readonly SlotStatus[]> {
    return this.#supervisor.observe(signal);
  }

  subscribe(listener: (status: SlotStatus) => void): () => void {
    return this.#supervisor.subscribe(listener);
  }

  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    const over = AbortSignal.any([signal, this.#closing.signal]);
    return readDockerLogs(this.#client, this.#archive, this.#place, query, over);
  }

  run(oneOff: OneOff, signal: AbortSignal): Promise<number> {
    return runDockerOneOff(this.#client, this.#images, this.#place, oneOff, signal);
  }

  dismantle(signal: AbortSignal): Promise<void> {
    return removeNetwork(this.#client, this.#place, signal);
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('The runtime was closed.'));
    await this.#supervisor.close();
    this.#client.close();
  }
}
