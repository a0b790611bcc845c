import type { ApiClient } from '../api/client.ts';
import type { Labels } from './render/deployment.ts';

/** What the commits of the retained releases say. */
export async function releaseLabels(client: ApiClient): Promise<Labels> {
  const releases = await client.call('releases', {});
  return new Map(releases.map((release) => [release.id, release.subject]));
}
