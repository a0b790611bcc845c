import type { Port, Name } from '../units/quantities.ts';
import { checkEnvironment } from './check-environment.ts';
import { checkExposed } from './check-edge.ts';
import { checkReferences } from './check-references.ts';
import { checkSettings } from './check-settings.ts';
import { readDeclaration, type Declared, type DeclaredEnvironmentPieces } from './declared.ts';
import { mistake, type Mistake } from './mistake.ts';
import type {
  Environment,
  EnvironmentGates,
  Platform,
  PublicRoute,
  Resource,
  Service,
  Target,
  TargetEdge,
} from './platform.ts';
import { resolveAccessLog, resolveHttps } from './resolve-edge.ts';
import { applyOverride, resolveService } from './resolve-service.ts';
import type { DeclaredResource } from './schema.ts';

export type ParsedPlatform =
  | {
      readonly ok: true;
      readonly platform: Platform;
      /** What is allowed and probably not meant. */
      readonly warnings: readonly Mistake[];
    }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

const NO_ENVIRONMENT: DeclaredEnvironmentPieces = {
  target: undefined,
  gates: undefined,
  overrides: new Map(),
  resources: new Map(),
  broken: new Set(),
};

/**
 * Reads a declaration: every value gets its type, every default is filled in, every name resolves. All mistakes are
 * reported at once, in the order of the declaration's sections, each once.
 *
 * @param input what `veza.config.ts` exports by default; any value at all is accepted, and nothing is thrown
 */
export function parsePlatform(input: unknown): ParsedPlatform {
  const mistakes: Mistake[] = [];
  const declared = readDeclaration(input, (found) => mistakes.push(...found));
  if (declared === null) return { ok: false, mistakes };
  mistakes.push(
    ...checkReferences(declared),
    ...checkSettings(declared),
    ...checkExposed(declared),
    ...checkImages(declared),
  );

  const warnings: Mistake[] = [];
  const environments: Environment[] = [];
  const names = declared.environments.size === 0 ? new Map([['development', NO_ENVIRONMENT]]) : declared.environments;
  for (const [name, pieces] of names) {
    const environment = resolveEnvironment(name, pieces, environments.length, declared);
    const checked = checkEnvironment(environment, pieces, declared, environments);
    mistakes.push(...checked.mistakes);
    warnings.push(...checked.warnings);
    environments.push(environment);
  }

  const unique = distinct(mistakes);
  if (unique.length > 0 || declared.name === null) return { ok: false, mistakes: unique };
  return {
    ok: true,
    platform: {
      name: declared.name,
      images: resolveImages(declared),
      environments: Object.fromEntries(environments.map((environment) => [environment.name, environment])),
    },
    warnings: distinct(warnings),
  };
}

/** An exception for a service that is not there would never be seen to be unused. */
function checkImages({ images, services }: Declared): readonly Mistake[] {
  return (images?.exceptions ?? []).flatMap(({ service }, index) =>
    service === null || services.has(service)
      ? []
      : [
          mistake({
            path: ['images', 'exceptions', index, 'service'],
            expected: `the name of a service: ${[...services.keys()].map((name) => `\`${name}\``).join(', ')}`,
            got: JSON.stringify(service),
          }),
        ],
  );
}

const resolveImages = ({ images }: Declared): Platform['images'] => ({
  vulnerabilities: {
    refuseFrom: images?.vulnerabilities === 'none' ? null : (images?.vulnerabilities ?? 'high'),
    refuseUnchecked: images?.refuseUnchecked ?? false,
  },
  exceptions: images?.exceptions ?? [],
});

function resolveEnvironment(
  name: string,
  pieces: DeclaredEnvironmentPieces,
  index: number,
  declared: Declared,
): Environment {
  const gates = resolveGates(name, pieces, declared);
  const isDatabase = (resource: string): boolean =>
    (declared.resources.get(resource)?.value.kind ?? 'postgres') === 'postgres';
  const services = [...declared.services].map(([service, { value }]): [string, Service] => {
    const settings = applyOverride(value, pieces.overrides.get(service)?.value ?? {});
    return [service, resolveService(service, settings, declared.strategies, isDatabase, gates.approval)];
  });
  const resources = [...declared.resources].map(([resource, { value }]): [string, Resource] => [
    resource,
    resolveResource(resource, pieces.resources.get(resource)?.value ?? value),
  ]);
  return {
    name: name as Name,
    target: resolveTarget(
      pieces.target,
      index,
      services.flatMap(([, service]) => service.route ?? []),
    ),
    services: Object.fromEntries(services),
    resources: Object.fromEntries(resources),
    gates,
  };
}

/** Environments of one machine must not get into each other's way, so defaults depend on the place in the list. */
function resolveTarget(
  declared: DeclaredEnvironmentPieces['target'],
  index: number,
  routes: readonly PublicRoute[],
): Target {
  // Ports end at 65535: the 24th environment has to say its own.
  const block = Math.min(index, 22);
  const edge: TargetEdge = {
    listen: declared?.listen ?? { host: '127.0.0.1', port: (8_080 + block) as Port },
    ports: declared?.ports ?? { from: (42_000 + 1_000 * block) as Port, to: (42_999 + 1_000 * block) as Port },
    router: declared?.router ?? 'gateway',
    edge: {
      workers: declared?.workers ?? null,
      https: resolveHttps(declared?.https, routes),
      accessLog: resolveAccessLog(declared?.accessLog),
      lingerMs: declared?.linger ?? 3_600_000,
    },
  };
  if (declared?.kind !== 'docker') return { kind: 'process', ...edge };
  return {
    kind: 'docker',
    socket: declared.socket ?? '/var/run/docker.sock',
    hosts: (declared.hosts ?? []).map(({ name, engine, address }) => ({
      name,
      engine: engine.startsWith('ssh://')
        ? { kind: 'ssh', destination: engine.slice('ssh://'.length) }
        : { kind: 'socket', path: engine },
      address,
    })),
    machine: declared.machine ?? null,
    atATime: declared.atATime ?? Math.max(1, declared.hosts?.length ?? 1),
    base: declared.base ?? null,
    subnet: declared.subnet?.text ?? `10.213.${block}.0/24`,
    ...edge,
  };
}

function resolveGates(name: string, { gates }: DeclaredEnvironmentPieces, declared: Declared): EnvironmentGates {
  // Invariant 6: a release reaches production only if the same digest succeeded in staging.
  const usual = name === 'production' && declared.environments.has('staging') ? 'staging' : null;
  const requires = gates?.requires === undefined ? usual : gates.requires;
  return {
    requires: requires as Name | null,
    approval: gates?.approval ?? false,
    allowDirty: gates?.allowDirty ?? name === 'development',
    // Only where nobody is hurt may silence count as consent.
    idle: gates?.idle ?? (name === 'development' || name === 'staging' ? 'proceed' : 'pause'),
  };
}

function resolveResource(text: string, declared: Partial<DeclaredResource>): Resource {
  const name = text as Name;
  const { kind = 'postgres', url } = declared;
  if (url !== undefined) return { kind, name, mode: 'external', url };
  // Redis is external alone: without a URL the declaration is refused, and what comes out here is never used.
  if (kind === 'redis') return { kind, name, mode: 'external', url: { secret: name } };
  if (kind === 'storage') return { kind, name, mode: 'embedded' };
  return { kind, name, mode: 'embedded', database: declared.database ?? name.replaceAll('-', '_') };
}

function distinct(mistakes: readonly Mistake[]): Mistake[] {
  const seen = new Map(mistakes.map((found) => [found.message, found]));
  return [...seen.values()];
}
