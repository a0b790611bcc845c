import type { RunRequest } from '../../api/requests.ts';
import type { Claims } from '../../build/claims.ts';
import type { ReleaseCatalog } from '../../build/release-catalog.ts';
import { withoutPort } from '../../core/spec/placeholders.ts';
import type { Environment } from '../../core/spec/platform.ts';
import type { RunningEngine } from '../../engine/start.ts';
import { NotDeployedError } from '../../errors.ts';
import { findService } from '../../spec/find-declared.ts';
import type { OpenEnvironment } from './environments.ts';
import type { ReleaseShelf } from './release-shelf.ts';

export interface OneOffParts {
  readonly catalog: ReleaseCatalog;
  readonly running: RunningEngine;
  readonly claims: Claims;
  readonly shelf: ReleaseShelf;
  readonly open: (name: string, signal: AbortSignal) => Promise<OpenEnvironment>;
}

/**
 * Runs a one-off admin process with the code and the configuration of a release (the live one unless another is named).
 *
 * @returns its exit status
 */
export async function runOneOff(
  { catalog, running, claims, shelf, open }: OneOffParts,
  environment: Environment,
  request: RunRequest,
  onOutput: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void,
  signal: AbortSignal,
): Promise<number> {
  const service = findService(environment, request.service);
  const { parts } = await open(environment.name, signal);
  const wanted = request.release ?? running.ledger.record(environment.name, service.name).live?.release;
  if (wanted === undefined) throw new NotDeployedError(service.name, environment.name);
  const release = await catalog.get(wanted, service.name);
  const letGo = claims.use(release.id);
  try {
    const declared = running.environment(environment.name).slots.service(release.id, service.name);
    return await parts.runtime.run(
      {
        id: `run-${service.name}-${Date.now().toString(36)}`,
        artifactDir: await shelf.unpack(release, signal),
        command: request.command,
        environment: withoutPort(await parts.configuration.variables(declared, signal)),
        ...(await parts.configuration.attachments(declared)),
        onOutput,
      },
      signal,
    );
  } finally {
    letGo();
  }
}
