import type { ApiClient } from '../api/client.ts';
import type { EventView } from '../api/schemas.ts';

/** What the journal says of a deployment, oldest first. */
export async function timelineOf(
  client: ApiClient,
  deployment: string,
  signal: AbortSignal,
): Promise<readonly EventView[]> {
  const timeline: EventView[] = [];
  await client.stream('events', { query: { deployment } }, { signal, onItem: (event) => void timeline.push(event) });
  return timeline;
}
