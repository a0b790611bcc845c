import { asDigest } from '../../src/build/digest.ts';
import type { Release, ReleaseId } from '../../src/core/release/release.ts';
import type { Environment, Service } from '../../src/core/spec/platform.ts';
import { parsePlatform } from '../../src/core/spec/parse-platform.ts';
import type { Releases } from '../../src/engine/environment.ts';

export const INSTANCES = 10;

/** An environment of so many services, canaries with short steps. */
export function benchEnvironment(services: number): Environment {
  const declared = parsePlatform({
    name: 'bench',
    services: Object.fromEntries(
      Array.from({ length: services }, (_, index) => [
        `s${index}`,
        { source: '.', run: 'node server.ts', instances: INSTANCES, health: '/health', strategy: 'short' },
      ]),
    ),
    strategies: { short: { kind: 'canary', steps: [5, 25, 50], hold: '1s', watch: '2s', keepWarm: '1s' } },
    environments: { development: { target: { kind: 'process', listen: '127.0.0.1:8080', ports: '10000-62000' } } },
  });
  if (!declared.ok) throw new Error(declared.mistakes.map((mistake) => mistake.message).join('\n'));
  const environment = declared.platform.environments.development;
  if (environment === undefined) throw new Error('no environment');
  return environment;
}

/** Release number `version` of a service. */
export function benchRelease(service: Service, version: number): Release {
  const digest = asDigest(`${version}`.padStart(64, '0'));
  return {
    id: `rel_${service.name}-${version}` as ReleaseId,
    service: service.name,
    artifact: digest,
    artifactBytes: 1,
    configuration: digest,
    config: { development: service },
    source: digest,
    commit: 'c',
    subject: `v${version}`,
    dirty: false,
    builder: 'bench',
    builtAt: 0,
  };
}

export function benchReleases(all: readonly Release[]): Releases {
  const byId = new Map(all.map((release) => [release.id as string, release]));
  return {
    get: (id) => {
      const release = byId.get(id);
      if (release === undefined) throw new Error(`no release ${id}`);
      return release;
    },
    artifactOf: (id) => byId.get(id)?.artifact ?? null,
    unpack: async () => '/nowhere',
  };
}
