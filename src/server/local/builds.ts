import type { BuildProgressView, BuildView } from '../../api/schemas.ts';
import type { BuildRequest } from '../../api/requests.ts';
import type { ArtifactStore } from '../../build/artifact-store.ts';
import { buildRelease, configurationsOf, thisBuilder, type BuildProgress } from '../../build/build-release.ts';
import type { Claims } from '../../build/claims.ts';
import type { ReleaseCatalog } from '../../build/release-catalog.ts';
import type { Release } from '../../core/release/release.ts';
import type { Platform } from '../../core/spec/platform.ts';
import type { Name } from '../../core/units/quantities.ts';
import type { ReleaseView } from '../../api/schemas.ts';

export interface BuildParts {
  readonly projectDir: string;
  readonly platform: Platform;
  readonly store: ArtifactStore;
  readonly catalog: ReleaseCatalog;
  readonly claims: Claims;
  readonly view: (release: Release) => ReleaseView;
  readonly onRelease: (release: Release) => void;
}

/** How this machine reaches the network: settings of the machine that a build needs and that say nothing about its content. */
const MACHINE_SETTINGS = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_DIR',
  'SSL_CERT_FILE',
] as const;

/** Builds services one after another: a build may use all the machine has. */
export async function buildServices(
  parts: BuildParts,
  services: readonly Name[],
  request: BuildRequest,
  onProgress: (progress: BuildProgressView) => void,
  signal: AbortSignal,
): Promise<BuildView> {
  const releases: BuildView['releases'][number][] = [];
  for (const service of services) {
    let reused = false;
    const release = await buildRelease({
      projectDir: parts.projectDir,
      config: configurationsOf(parts.platform, service),
      store: parts.store,
      catalog: parts.catalog,
      claims: parts.claims,
      dirty: request.dirty,
      rebuild: request.force,
      passEnvironment: MACHINE_SETTINGS,
      builder: thisBuilder(),
      now: () => Date.now(),
      onProgress: (progress) => {
        reused ||= progress.kind === 'reused';
        const shown = progressView(service, progress);
        if (shown !== null) onProgress(shown);
      },
      signal,
    });
    parts.onRelease(release);
    releases.push({ ...parts.view(release), reused });
  }
  return { releases };
}

function progressView(service: string, progress: BuildProgress): BuildProgressView | null {
  switch (progress.kind) {
    case 'source':
      return { service, stage: 'source', text: `clean copy of ${progress.commit.slice(0, 8)} ${progress.subject}` };
    case 'reused':
      return { service, stage: 'reused', text: 'the same source was built before' };
    case 'not-reusable':
      return { service, stage: 'source', text: `built again: ${progress.why}` };
    case 'command':
      return { service, stage: 'command', text: progress.command.join(' ') };
    case 'output':
      return { service, stage: 'output', text: progress.line };
    case 'packed':
      return {
        service,
        stage: 'storing',
        text: `${progress.entries} ${progress.entries === 1 ? 'file' : 'files'} in ${progress.artifact.slice(0, 'sha256:'.length + 12)}`,
      };
    case 'released':
      return { service, stage: 'built', text: progress.release.id };
  }
}
