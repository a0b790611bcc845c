import { access, chown, constants } from 'node:fs/promises';
import { constants as system } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { DockerUnreachableError } from '../../../errors.ts';
import type { SlotDesire } from '../runtime.ts';
import { commandOf, instanceEnvironment } from '../supervision/instance-environment.ts';
import { recordFiles, type InstanceRecord as AnyRecord } from '../supervision/records.ts';
import type { End, LastWords, Started, Vessel } from '../supervision/vessel.ts';
import type { DockerClient, ListedContainer } from './api/client.ts';
import type { Berths } from './berths.ts';
import { CONTAINER_USER, containerBody, containerEnvironment } from './container.ts';
import { linesOf } from './docker-logs.ts';
import type { LoadedImages } from './image-supply.ts';
import { environmentLabels, INSTANCE, instanceLabels, writerOf, type Place } from './labels.ts';
import type { LogArchive } from './log-archive.ts';
import { allContainerLines } from './log-lines.ts';
import { networkName } from './network.ts';
import { NOT_STARTED, startDocument, startFailure } from './starter.ts';

const holdSchema = z.object({ container: z.string(), pid: z.int() });

/** What leads to the container of an instance, and to its first process on the Docker host. */
export type ContainerHold = z.output<typeof holdSchema>;
type InstanceRecord = AnyRecord<ContainerHold>;
export const records = recordFiles<ContainerHold>(holdSchema);

/** In place of an environment that was lost with the state folder. */
export const LOST = 'VEZA_ENVIRONMENT_LOST';
const AWAY_RETRY_MS = 250;

export interface DockerVesselParts {
  readonly stateDir: string;
  readonly place: Place;
  readonly client: DockerClient;
  readonly images: LoadedImages;
  readonly berths: Berths;
  /** Instances are reached by ports of the Docker host. */
  readonly isPublished: boolean;
  readonly archive: LogArchive;
  /** Aborted when the runtime is closed. */
  readonly closing: AbortSignal;
}

/** An instance as a container: a new one for each launch; the one before stays until then, for its last lines. */
export class DockerVessel implements Vessel<ContainerHold> {
  readonly #parts: DockerVesselParts;

  constructor(parts: DockerVesselParts) {
    this.#parts = parts;
  }

  async settle(record: InstanceRecord, desire: SlotDesire): Promise<Partial<InstanceRecord>> {
    if (desire.metrics !== true || record.metricsPort !== undefined) return {};
    const metricsPort = this.#parts.berths.takePort();
    if (metricsPort === null) throw new Error('there is no port for its metrics');
    return { metricsPort };
  }

  write(record: InstanceRecord): void {
    records.write(this.#parts.stateDir, record);
  }

  async start(record: InstanceRecord, desire: SlotDesire): Promise<Started<ContainerHold>> {
    const { client, images, place, isPublished, closing } = this.#parts;
    if (LOST in desire.environment)
      throw new Error('what its environment held was lost with the state folder; deploy the service again');
    await checkProgram(desire);
    const image = await images.load(desire.artifactDir, closing);
    await this.clear(record.id, null);
    const { id, host = '', port, metricsPort } = record;
    // Inside, the address of the Docker host is nobody's.
    const where = { id, host: isPublished ? '0.0.0.0' : host, port, metricsPort };
    const folders = desire.folders ?? [];
    await ownFolders(folders);
    const body = containerBody({
      image,
      command: commandOf(desire, where),
      labels: instanceLabels(place, record, desire),
      network: networkName(place),
      host: isPublished ? null : host,
      published: isPublished
        ? { address: host, ports: [port, ...(metricsPort === undefined ? [] : [metricsPort])] }
        : null,
      folders,
      limits: desire.limits,
      attachOutput: false,
    });
    const container = await client.create(`${networkName(place)}-${id}-${record.launches}`, body, closing);
    try {
      const input = await client.attach(container, false, closing);
      input.on('error', () => undefined);
      await client.start(container, closing);
      const ended = this.#untilEnd(container);
      ended.catch(() => undefined);
      const environment = instanceEnvironment(desire, where, containerEnvironment);
      await new Promise<void>((resolve) => input.end(startDocument(environment, desire.secrets ?? []), resolve));
      const state = await client.find(container, closing);
      return { hold: { container, pid: state?.State.Pid ?? 0 }, ended };
    } catch (error) {
      if (!closing.aborted) await client.remove(container, closing).catch(() => undefined);
      throw error;
    }
  }

  follow({ container }: ContainerHold): Promise<End> {
    return this.#untilEnd(container, true);
  }

  /** @param isAdopted nobody may have watched when it ended */
  async #untilEnd(container: string, isAdopted = false): Promise<End> {
    const { client, closing } = this.#parts;
    const begun = performance.now();
    const status = await client.wait(container, closing);
    // Answered at once: it had ended before we asked.
    if (isAdopted && performance.now() - begun < 5) return { status: null, signal: null };
    return endOf(status);
  }

  /** A Docker Engine that cannot be asked has said nothing about its containers. */
  async isAlive({ container }: ContainerHold): Promise<boolean> {
    const { client, closing } = this.#parts;
    try {
      return (await client.find(container, closing))?.State.Running ?? false;
    } catch {
      return true;
    }
  }

  /** Delivered for sure, also when the Engine is away for a while. */
  async signal({ container }: ContainerHold, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { client, closing } = this.#parts;
    while (!closing.aborted) {
      try {
        await client.kill(container, signal, closing);
        return;
      } catch (error) {
        if (!(error instanceof DockerUnreachableError)) return;
        await sleep(AWAY_RETRY_MS, undefined, { signal: closing }).catch(() => undefined);
      }
    }
  }

  async isOverMemory(): Promise<boolean> {
    return false;
  }

  async lastWords({ id, ref, release, launches }: InstanceRecord, { container }: ContainerHold): Promise<LastWords> {
    const { client, closing } = this.#parts;
    const nothing = { outOfMemory: false, line: null, startFailure: null };
    try {
      const state = await client.find(container, closing);
      if (state === null) return nothing;
      const chunks = await client.logs(container, { follow: false, streams: 'stderr', tail: 30 }, closing);
      const lines = chunks === null ? [] : await allContainerLines(chunks, { id, ref, release, launches });
      const line = mostTelling(lines.map(({ text }) => text).filter((text) => text.trim() !== ''));
      const failure = state.State.ExitCode === NOT_STARTED ? startFailure(line) : null;
      return { outOfMemory: state.State.OOMKilled, line, startFailure: failure };
    } catch {
      return nothing;
    }
  }

  /** Removes containers of earlier launches, their lines kept; the one that has just ended stays for who looks at it. */
  async clear(id: string, hold: ContainerHold | null): Promise<void> {
    for (const container of await this.#containersOf(id)) {
      if (container.id !== hold?.container) await this.removeContainer(container);
    }
  }

  async forget(record: InstanceRecord): Promise<void> {
    await this.clear(record.id, null);
    this.#parts.berths.giveBack(record);
  }

  async removeContainer(container: ListedContainer): Promise<void> {
    const { client, archive, closing } = this.#parts;
    const writer = writerOf(container.labels);
    if (writer !== null && !container.running) {
      const lines = await linesOf(client, container, closing).catch(() => []);
      await archive.keep(writer.ref.environment, writer.ref.service, container.id, lines);
    }
    await client.remove(container.id, closing);
  }

  /** Asked until there is an answer: not knowing is no reason to leave something behind. */
  async #containersOf(id: string): Promise<readonly ListedContainer[]> {
    const { client, place, closing } = this.#parts;
    for (;;) {
      try {
        return await client.list({ ...environmentLabels(place), [INSTANCE]: id }, closing);
      } catch (error) {
        if (closing.aborted || !(error instanceof DockerUnreachableError)) return [];
        await sleep(AWAY_RETRY_MS, undefined, { signal: closing }).catch(() => undefined);
      }
    }
  }

  place({ host = '', phase }: InstanceRecord): { host: string; pid: number | null } {
    return { host, pid: phase.kind === 'up' ? phase.process.pid : null };
  }
}

/** The status of the first process in a container says what ended the program: 128 and the signal's number, as shells have it. */
export function endOf(status: number): End {
  const signal = Object.entries(system.signals).find(([, number]) => number === status - 128)?.[0];
  return status > 128 && signal !== undefined ? { status: null, signal } : { status, signal: null };
}

/** A program of the artifact is looked for before a container is made of it; others are the image's, and looked for inside. */
async function checkProgram({ run: [program], artifactDir }: SlotDesire): Promise<void> {
  if (!program.includes('/') || isAbsolute(program)) return;
  const mayRun = await access(join(artifactDir, program), constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!mayRun) throw new Error(`program ${program} was not found in the artifact, or may not be executed`);
}

/** Folders that instances write to belong to their user; where we may not say so, that is whoever made them to see to. */
export async function ownFolders(folders: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) return;
  for (const folder of folders) await chown(folder, CONTAINER_USER, CONTAINER_USER);
}

/** Node ends an uncaught error with "Node.js v24.1.0" after the stack: the line that names the error says more. */
function mostTelling(lines: readonly string[]): string | null {
  const last = lines.at(-1) ?? null;
  if (last === null || !/^Node\.js v\d+\.\d+\.\d+/.test(last)) return last;
  return lines.findLast((line) => /^\S*(Error|Exception)\b.*/.test(line.replace(/^Uncaught\s+/, ''))) ?? last;
}
