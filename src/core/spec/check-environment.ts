import { claimsOf } from '../route-claims.ts';
import { formatListenAddress } from '../units/address.ts';
import { formatDuration } from '../units/duration.ts';
import { formatPortRange } from '../units/port.ts';
import { checkHttps, checkRouter, warnOfHttps } from './check-edge.ts';
import type { Declared, DeclaredEnvironmentPieces } from './declared.ts';
import { mistake, type Mistake, type MistakePath } from './mistake.ts';
import type { Environment, Service } from './platform.ts';
import { applyOverride, findStrategy, startupTime } from './resolve-service.ts';
import type { DeclaredService } from './schema-service.ts';

export interface CheckedEnvironment {
  readonly mistakes: readonly Mistake[];
  readonly warnings: readonly Mistake[];
}

/** Checks what only shows when an environment is put together: ports, routes, and strategies against instances. */
export function checkEnvironment(
  environment: Environment,
  pieces: DeclaredEnvironmentPieces,
  declared: Declared,
  before: readonly Environment[],
): CheckedEnvironment {
  const place = placeIn(environment.name, pieces);
  const services = Object.values(environment.services);
  const whole = services.filter(
    (service) => !isBroken(service.name, ['instances', 'strategy', 'health'], pieces, declared),
  );
  return {
    mistakes: [
      ...(pieces.broken.has('target') ? [] : checkPorts(environment, declared)),
      ...(pieces.broken.has('target')
        ? []
        : [...checkHttps(environment, pieces), ...checkRouter(environment), ...checkKind(environment, pieces)]),
      ...checkRoutes(
        services.filter((service) => !isBroken(service.name, ['route'], pieces, declared)),
        place,
      ),
      ...whole.flatMap((service) => checkCandidates(service, pieces, declared, place)),
      ...whole.flatMap((service) => checkMirror(service, environment, pieces, declared, place)),
    ],
    warnings: [
      ...whole.flatMap((service) => warnOfService(service, pieces, declared, place)),
      ...warnOfHttps(environment),
      ...warnOfNeighbours(environment, before),
      ...warnOfGates(environment),
    ],
  };
}

type Place = (service: string, path: readonly string[]) => MistakePath;

/** Where a setting of a service was written: in the environment's override, or else in the service. */
function placeIn(environment: string, pieces: DeclaredEnvironmentPieces): Place {
  return (service, path) => {
    let value: unknown = pieces.overrides.get(service)?.value;
    for (const key of path) value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
    return value === undefined
      ? ['services', service, ...path]
      : ['environments', environment, 'overrides', service, ...path];
  };
}

function isBroken(
  service: string,
  keys: readonly string[],
  pieces: DeclaredEnvironmentPieces,
  declared: Declared,
): boolean {
  return keys.some(
    (key) =>
      declared.services.get(service)?.broken.has(key) === true ||
      pieces.overrides.get(service)?.broken.has(key) === true,
  );
}

function checkPorts({ name, target, services, resources }: Environment, declared: Declared): Mistake[] {
  const path = ['environments', name, 'target'];
  const { from, to } = target.ports;
  const mistakes: Mistake[] = [];
  if (target.listen.port >= from && target.listen.port <= to) {
    mistakes.push(
      mistake({
        path: [...path, 'listen'],
        expected: `a port outside of the environment's own range ${formatPortRange(target.ports)}`,
        got: formatListenAddress(target.listen),
      }),
    );
  }
  const broken = [...declared.services.values()].some((piece) => piece.broken.has('instances'));
  const all = Object.values(services);
  const instances = all.reduce((sum, service) => sum + service.instances, 0);
  // Storage in a folder needs no port.
  const embedded = Object.values(resources).filter(
    ({ kind, mode }) => kind === 'postgres' && mode === 'embedded',
  ).length;
  const needed = 2 * instances + all.length + embedded;
  if (!broken && to - from + 1 < needed) {
    mistakes.push(
      mistake({
        path: [...path, 'ports'],
        expected: `at least ${needed} ports (two slots of ${instances} instances, ${all.length} internal addresses, ${embedded} embedded databases)`,
        got: `${to - from + 1} ports: ${formatPortRange(target.ports)}`,
      }),
    );
  }
  return mistakes;
}

function checkRoutes(services: readonly Service[], place: Place): Mistake[] {
  const owners = new Map<string, string>();
  const mistakes: Mistake[] = [];
  for (const { name, route } of services) {
    if (route === null) continue;
    for (const claim of claimsOf(route)) {
      const owner = owners.get(claim);
      if (owner === undefined) owners.set(claim, name);
      else {
        mistakes.push(
          mistake({
            path: place(name, ['route']),
            expected: 'hosts and paths that no other service claims',
            got: `${claim}, which \`${owner}\` claims, too`,
          }),
        );
      }
    }
  }
  return mistakes;
}

function checkCandidates(
  service: Service,
  pieces: DeclaredEnvironmentPieces,
  declared: Declared,
  place: Place,
): Mistake[] {
  const mistakes: Mistake[] = [];
  const written = writtenStrategy(service.name, pieces, declared);
  const strategy = findStrategy(written, declared.strategies);
  if (strategy === null) return [];
  const at = placeInStrategy(service.name, written, place);
  if (service.strategy.minCandidates > service.instances) {
    mistakes.push(
      mistake({
        path: at('minCandidates'),
        expected: `\`minCandidates\` of at most ${service.instances}, the instances of \`${service.name}\``,
        got: String(service.strategy.minCandidates),
      }),
    );
  }
  if (
    strategy.kind === 'rolling' &&
    strategy.batch !== undefined &&
    'instances' in strategy.batch &&
    strategy.batch.instances > service.instances
  ) {
    mistakes.push(
      mistake({
        path: at('batch'),
        expected: `a batch of at most ${service.instances}, the instances of \`${service.name}\``,
        got: String(strategy.batch.instances),
      }),
    );
  }
  return mistakes;
}

/** Copies are of requests that pass a router that can copy them. */
function checkMirror(
  service: Service,
  environment: Environment,
  pieces: DeclaredEnvironmentPieces,
  declared: Declared,
  place: Place,
): Mistake[] {
  // What could not be read may have been the route, or the dependency.
  const isUnknown =
    isBroken(service.name, ['route'], pieces, declared) ||
    [...declared.services.values()].some(({ broken }) => broken.has('dependencies'));
  if (!service.strategy.mirror || isUnknown) return [];
  const written = writtenStrategy(service.name, pieces, declared);
  const path = placeInStrategy(service.name, written, place)('steps');
  const isCalled = Object.values(environment.services).some(({ dependencies }) => dependencies.includes(service.name));
  if (service.route !== null || isCalled) return [];
  return [
    mistake({
      path,
      expected: `a \`route\` of \`${service.name}\`, or a service that has it among its \`dependencies\`, where requests are to be copied`,
      got: '`mirror` of a service that nobody calls',
    }),
  ];
}

function writtenStrategy(
  service: string,
  pieces: DeclaredEnvironmentPieces,
  declared: Declared,
): DeclaredService['strategy'] {
  const base = declared.services.get(service)?.value ?? {};
  return applyOverride(base, pieces.overrides.get(service)?.value ?? {}).strategy;
}

/** A strategy of its own is wrong inside; one that was named is right for others, so the naming is wrong. */
function placeInStrategy(
  service: string,
  written: DeclaredService['strategy'],
  place: Place,
): (...inside: readonly string[]) => MistakePath {
  return (...inside) => place(service, typeof written === 'object' ? ['strategy', ...inside] : ['strategy']);
}

function warnOfService(
  service: Service,
  pieces: DeclaredEnvironmentPieces,
  declared: Declared,
  place: Place,
): Mistake[] {
  const found: Mistake[] = [];
  if (service.strategy.kind === 'rolling' && service.instances === 1) {
    found.push(
      mistake({
        path: place(service.name, ['instances']),
        expected: '2 instances or more for a rolling deployment, because one is replaced all at once',
        got: String(service.instances),
      }),
    );
  }
  const startup = startupTime(service.health);
  if (service.strategy.deadlines.startingMs < startup) {
    const at = placeInStrategy(service.name, writtenStrategy(service.name, pieces, declared), place);
    found.push(
      mistake({
        path: at('deadlines', 'starting'),
        expected: `a deadline of at least the ${formatDuration(startup)} that the startup probe of \`${service.name}\` gives an instance`,
        got: formatDuration(service.strategy.deadlines.startingMs),
      }),
    );
  }
  return found;
}

function warnOfNeighbours(environment: Environment, before: readonly Environment[]): Mistake[] {
  const { listen, ports, edge } = environment.target;
  return before.flatMap(({ name, target }) => {
    const found: Mistake[] = [];
    const taken = [target.listen.port, target.edge.https?.port];
    for (const [place, address] of [
      [['listen'], listen],
      [['https', 'listen'], edge.https],
    ] as const) {
      if (address === null || !taken.includes(address.port)) continue;
      found.push(
        mistake({
          path: ['environments', environment.name, 'target', ...place],
          expected: `a port of its own, if it shares a machine with \`${name}\``,
          got: formatListenAddress(address),
        }),
      );
    }
    if (target.ports.from <= ports.to && ports.from <= target.ports.to) {
      found.push(
        mistake({
          path: ['environments', environment.name, 'target', 'ports'],
          expected: `ports of its own, if it shares a machine with \`${name}\` (${formatPortRange(target.ports)})`,
          got: formatPortRange(ports),
        }),
      );
    }
    return found;
  });
}

function warnOfGates({ name, gates }: Environment): Mistake[] {
  if (name !== 'production' || gates.requires !== null) return [];
  return [
    mistake({
      path: ['environments', name, 'gates', 'requires'],
      expected: 'an environment in which a release must have succeeded before',
      got: 'none',
    }),
  ];
}

/** Settings that only one kind of target has, or only hosts. */
function checkKind(environment: Environment, { target }: DeclaredEnvironmentPieces): Mistake[] {
  if (target === undefined) return [];
  const wrong = (key: string, expected: string, got: string): Mistake =>
    mistake({ path: ['environments', environment.name, 'target', key], expected, got });
  const given = (keys: readonly (keyof typeof target)[]): readonly string[] =>
    keys.filter((key) => target[key] !== undefined);
  if (target.kind !== 'docker')
    return given(['socket', 'subnet', 'base', 'hosts', 'machine', 'atATime']).map((key) =>
      wrong(key, `the kind \`docker\` for \`${key}\``, 'the kind `process`'),
    );
  const { hosts } = target;
  if (hosts === undefined)
    return given(['machine', 'atATime']).map((key) => wrong(key, `\`hosts\` beside \`${key}\``, 'no `hosts`'));
  const names = hosts.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) < at);
  return [
    ...given(['socket', 'subnet']).map((key) => wrong(key, `no \`${key}\` beside \`hosts\``, 'both')),
    ...(target.machine === undefined
      ? [wrong('machine', 'the address of this machine, for instances on `hosts`', 'nothing')]
      : []),
    ...(twice === undefined ? [] : [wrong('hosts', 'hosts with different names', `two named \`${twice}\``)]),
  ];
}
