import { setTimeout as sleep } from 'node:timers/promises';
import { ProgramNotStartedError } from '../../../errors.ts';
import { INSTANCE_MARKER } from '../supervision/instance-environment.ts';
import type { OneOff } from '../runtime.ts';
import type { DockerClient } from './api/client.ts';
import { frames } from './api/frames.ts';
import { containerBody, containerEnvironment } from './container.ts';
import { ownFolders } from './docker-vessel.ts';
import type { LoadedImages } from './image-supply.ts';
import { environmentLabels, ONE_OFF, type Place } from './labels.ts';
import { networkName } from './network.ts';
import { NOT_STARTED, startDocument, startFailure } from './starter.ts';

/** Time between SIGTERM and SIGKILL for a one-off that is cancelled, in milliseconds. */
const GRACE_MS = 5000;

/**
 * Runs a one-off in a container of its own to its end. What an earlier call with the same id left is removed first.
 *
 * @returns the exit status; 128 + the signal's number when a signal ended it
 * @throws ProgramNotStartedError when there is no such program; the signal's reason when that is aborted
 */
export async function runDockerOneOff(
  client: DockerClient,
  images: LoadedImages,
  place: Place,
  oneOff: OneOff,
  signal: AbortSignal,
): Promise<number> {
  const never = new AbortController().signal;
  signal.throwIfAborted();
  const image = await images.load(oneOff.artifactDir, signal);
  const labels = { ...environmentLabels(place), [ONE_OFF]: oneOff.id };
  for (const { id } of await client.list(labels, signal)) await client.remove(id, signal);
  const folders = oneOff.folders ?? [];
  await ownFolders(folders);
  const [program] = oneOff.command;
  const name = `${networkName(place)}-${oneOff.id.replaceAll(/[^\w.-]/g, '-')}`;
  const body = containerBody({
    image,
    command: oneOff.command,
    labels,
    network: networkName(place),
    host: null,
    published: null,
    folders,
    limits: { memory: null, cpus: null },
    attachOutput: true,
  });
  const container = await client.create(name, body, signal);
  const onAbort = (): void => void end(client, container).catch(() => undefined);
  try {
    const stream = await client.attach(container, true, never);
    stream.on('error', () => undefined);
    await client.start(container, signal);
    signal.addEventListener('abort', onAbort, { once: true });
    const environment = { ...containerEnvironment, ...oneOff.environment, [INSTANCE_MARKER]: oneOff.id };
    stream.end(startDocument(environment, oneOff.secrets ?? []));
    let last = '';
    for await (const frame of frames(stream as AsyncIterable<Buffer>)) {
      if (frame.stream === 'stderr') last = (last + frame.payload.toString('utf8')).slice(-2_000);
      oneOff.onOutput(frame.stream, frame.payload);
    }
    const status = await client.wait(container, never);
    signal.throwIfAborted();
    const failure = status === NOT_STARTED ? startFailure(last.trimEnd().split('\n').at(-1) ?? null) : null;
    if (failure !== null) throw new ProgramNotStartedError(program, oneOff.artifactDir, failure);
    return status;
  } finally {
    signal.removeEventListener('abort', onAbort);
    await client.remove(container, never);
  }
}

async function end(client: DockerClient, container: string): Promise<void> {
  const never = new AbortController().signal;
  await client.kill(container, 'SIGTERM', never);
  const over = client.wait(container, never).then(() => true);
  if (await Promise.race([over, sleep(GRACE_MS, false)])) return;
  await client.kill(container, 'SIGKILL', never);
}
