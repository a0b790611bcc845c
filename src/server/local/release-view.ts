import type { ReleaseView } from '../../api/schemas.ts';
import type { Release } from '../../core/release/release.ts';
import type { Ledger } from '../../core/rollout/ledger.ts';

/** A release as the API shows it, with where it runs. */
export function releaseView(release: Release, ledger: Ledger): ReleaseView {
  const deployedIn: ReleaseView['deployedIn'][number][] = [];
  for (const { environment, service, record } of ledger.records()) {
    if (service !== release.service) continue;
    if (record.live?.release === release.id) deployedIn.push({ environment, slot: record.live.slot, role: 'stable' });
    if (record.warm?.release === release.id) deployedIn.push({ environment, slot: record.warm.slot, role: 'warm' });
  }
  const { id, service, artifact, artifactBytes, configuration, commit, subject, dirty, builder, builtAt } = release;
  return {
    id,
    service,
    artifact,
    artifactBytes,
    configuration,
    commit,
    subject,
    dirty,
    builder,
    builtAt,
    deployedIn,
  };
}
