import { setTimeout as sleep } from 'node:timers/promises';
import type { LogLine, LogQuery } from '../runtime.ts';
import type { DockerClient, ListedContainer } from './api/client.ts';
import { environmentLabels, INSTANCE, writerOf, type Place } from './labels.ts';
import type { LogArchive } from './log-archive.ts';
import { allContainerLines, containerLines, type ContainerLine } from './log-lines.ts';

/** How often it is looked for containers that are new, while following. */
const LOOK_MS = 300;

/** What a container has written so far. Nothing, when it is gone. */
export async function linesOf(
  client: DockerClient,
  { id, labels }: Pick<ListedContainer, 'id' | 'labels'>,
  signal: AbortSignal,
): Promise<readonly ContainerLine[]> {
  const writer = writerOf(labels);
  if (writer === null) return [];
  const chunks = await client.logs(id, { follow: false, streams: 'all' }, signal);
  return chunks === null ? [] : allContainerLines(chunks, writer);
}

/**
 * The last lines of a service, all its containers together and ordered by time, then, with `follow`, what comes until the signal
 * is aborted. The Engine keeps what containers write, whether we run or not; of those that are gone the archive has it.
 */
export async function* readDockerLogs(
  client: DockerClient,
  archive: LogArchive,
  place: Place,
  query: LogQuery,
  signal: AbortSignal,
): AsyncIterable<LogLine> {
  const list = async (): Promise<readonly ListedContainer[]> => {
    const all = await client.list(environmentLabels(place), signal);
    return all.filter(({ labels }) => INSTANCE in labels && writerOf(labels)?.ref.service === query.service);
  };
  const present = await list();
  const ids = new Set(present.map(({ id }) => id));
  const gone = await archive.read(query.environment, query.service, ids);
  /** Last line that was seen of each container. */
  const seen = new Map<string, string>();
  const past: ContainerLine[] = [...gone];
  for (const container of present) {
    const lines = await linesOf(client, container, signal);
    past.push(...lines);
    seen.set(container.id, lines.at(-1)?.stamp ?? '');
  }
  const ordered = past.toSorted((one, other) => one.time - other.time);
  for (const line of query.tail <= 0 ? [] : ordered.slice(-query.tail)) yield asLogLine(line);
  if (!query.follow) return;

  const queue: ContainerLine[] = [];
  let wake: () => void = () => undefined;
  const ended = new AbortController();
  const over = AbortSignal.any([signal, ended.signal]);
  const followed = new Set<string>();
  const follow = async (container: ListedContainer): Promise<void> => {
    const writer = writerOf(container.labels);
    if (writer === null) return;
    const last = seen.get(container.id) ?? '';
    const since = last === '' ? undefined : sinceOf(last);
    const options = { follow: true, streams: 'all', ...(since === undefined ? {} : { since }) } as const;
    const chunks = await client.logs(container.id, options, over);
    if (chunks === null) return;
    for await (const line of containerLines(chunks, writer)) {
      if (last !== '' && line.stamp <= last) continue;
      queue.push(line);
      wake();
    }
  };
  const watching = (async () => {
    while (!over.aborted) {
      for (const container of await list().catch(() => [])) {
        if (followed.has(container.id)) continue;
        followed.add(container.id);
        // It ends with its container, or when nobody follows any more; after a break of the connection it is taken up again.
        void follow(container).catch(() => followed.delete(container.id));
      }
      await sleep(LOOK_MS, undefined, { signal: over }).catch(() => undefined);
    }
  })();
  const onAbort = (): void => wake();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    while (!signal.aborted) {
      for (const line of queue.splice(0).toSorted((one, other) => one.time - other.time)) {
        yield asLogLine(line);
        if (signal.aborted) return;
      }
      if (queue.length === 0 && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    ended.abort(new Error('nobody follows any more'));
    await watching;
  }
}

const asLogLine = ({ stamp: _ofItsContainer, ...line }: ContainerLine): LogLine => line;

/** Seconds since 1970 with nanoseconds, from RFC 3339 with nanoseconds. */
function sinceOf(stamp: string): string {
  const fraction = /\.(\d+)/.exec(stamp)?.[1] ?? '';
  return `${Math.floor(Date.parse(stamp) / 1000)}.${fraction.padEnd(9, '0')}`;
}
