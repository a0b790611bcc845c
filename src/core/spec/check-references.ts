import { parseName } from '../units/name.ts';
import type { Declared, Piece } from './declared.ts';
import { oneOf } from './issues.ts';
import { describe, mistake, type Mistake, type MistakePath } from './mistake.ts';
import { nearest } from './nearest.ts';
import type { DeclaredService } from './schema-service.ts';
import { STRATEGY_KINDS } from './schema-strategy.ts';

/** Checks that every name is valid, and that every name that is used exists. */
export function checkReferences(declared: Declared): Mistake[] {
  return [
    ...checkNames(declared),
    ...[...declared.services].flatMap(([name, piece]) => checkService(name, piece, declared)),
    ...checkDependencyCycles(declared),
    ...checkEnvironments(declared),
    ...checkRequires(declared),
  ];
}

function checkNames(declared: Declared): Mistake[] {
  const mistakes: Mistake[] = [];
  for (const section of ['services', 'resources', 'strategies', 'environments'] as const) {
    for (const name of declared[section].keys()) {
      const result = parseName(name);
      if (result.ok) continue;
      mistakes.push(
        mistake({
          path: [section, name],
          expected: result.expected,
          got: describe(name),
          suggestion: result.suggestion,
        }),
      );
    }
  }
  for (const name of declared.resources.keys()) {
    if (!declared.services.has(name)) continue;
    mistakes.push(
      mistake({
        path: ['resources', name],
        expected: 'a name that no service has',
        got: `${describe(name)}, which is a service, too`,
      }),
    );
  }
  for (const [name, strategy] of declared.strategies) {
    const kind = STRATEGY_KINDS.find((known) => known === name);
    if (kind === undefined || strategy === null || strategy.kind === kind) continue;
    mistakes.push(
      mistake({
        path: ['strategies', name, 'kind'],
        expected: `\`${kind}\`, because that is what \`${kind}\` means wherever it is used`,
        got: describe(strategy.kind),
        suggestion: kind,
      }),
    );
  }
  if (declared.services.size === 0 && !declared.broken.has('services')) {
    mistakes.push(mistake({ path: ['services'], expected: 'at least one service', got: 'none' }));
  }
  return mistakes;
}

function checkService(name: string, { value }: Piece<DeclaredService>, declared: Declared): Mistake[] {
  const path = ['services', name];
  const services = [...declared.services.keys()].filter((other) => other !== name);
  const resources = [...declared.resources.keys()];
  return [
    ...checkList([...path, 'dependencies'], value.dependencies ?? [], services, (dependency) => {
      if (dependency === name) return 'a service that it depends on, not itself';
      if (resources.includes(dependency))
        return `${describeChoice('service', services)}; \`${dependency}\` is a resource and belongs into \`resources\``;
      return describeChoice('service', services);
    }),
    ...checkList([...path, 'resources'], value.resources ?? [], resources, (resource) =>
      declared.services.has(resource)
        ? `${describeChoice('resource', resources)}; \`${resource}\` is a service and belongs into \`dependencies\``
        : describeChoice('resource', resources),
    ),
    ...checkAddresses([...path, 'environment'], value.environment, declared),
    ...checkStrategyName([...path, 'strategy'], value.strategy, declared),
    ...checkMigrations([...path, 'gates', 'migrations'], value.gates?.migrations, value.resources ?? [], declared),
  ];
}

/** Variables that stand for the address of a service. */
function checkAddresses(path: MistakePath, variables: DeclaredService['environment'], declared: Declared): Mistake[] {
  const services = [...declared.services.keys()];
  return Object.entries(variables ?? {}).flatMap(([variable, value]) => {
    if (typeof value !== 'object' || !('address' in value) || services.includes(value.address)) return [];
    return [
      mistake({
        path: [...path, variable, 'address'],
        expected: describeChoice('service', services),
        got: describe(value.address),
        suggestion: nearest(value.address, services),
      }),
    ];
  });
}

/** A list of names: each of them exists, none stands there twice. */
function checkList(
  path: MistakePath,
  names: readonly string[],
  known: readonly string[],
  expected: (name: string) => string,
): Mistake[] {
  return names.flatMap((name, index) => {
    if (!known.includes(name)) {
      return [
        mistake({
          path: [...path, index],
          expected: expected(name),
          got: describe(name),
          suggestion: nearest(name, known),
        }),
      ];
    }
    if (names.indexOf(name) < index) return [repeated([...path, index], name)];
    return [];
  });
}

/** The mistake of a list that says the same thing twice. */
export const repeated = (path: MistakePath, value: string): Mistake =>
  mistake({ path, expected: 'every entry once', got: `${describe(value)} again` });

function checkStrategyName(path: MistakePath, written: DeclaredService['strategy'], declared: Declared): Mistake[] {
  if (typeof written !== 'string') return [];
  const known = [...new Set([...declared.strategies.keys(), ...STRATEGY_KINDS])];
  if (known.includes(written)) return [];
  return [
    mistake({
      path,
      expected: `the name of a strategy: ${oneOf(known)}`,
      got: describe(written),
      suggestion: nearest(written, known),
    }),
  ];
}

type DeclaredMigrations = Exclude<DeclaredService['gates'], undefined>['migrations'];

function checkMigrations(
  path: MistakePath,
  migrations: DeclaredMigrations,
  attached: readonly string[],
  declared: Declared,
): Mistake[] {
  if (migrations === undefined || migrations === null) return [];
  const { resource } = migrations;
  const at = [...path, 'resource'];
  const kindOf = (name: string): string | undefined => declared.resources.get(name)?.value.kind;
  // One whose own declaration is wrong is told of there.
  const databases = attached.filter((name) => (kindOf(name) ?? 'postgres') === 'postgres');
  if (resource === undefined) {
    if (databases.length === 1) return [];
    const expected =
      databases.length === 0 ? 'a resource in `resources` of the service that migrations can change' : oneOf(databases);
    return [mistake({ path: at, expected, got: 'nothing' })];
  }
  if (databases.includes(resource)) return [];
  if (attached.includes(resource)) {
    return [
      mistake({
        path: at,
        expected: 'a resource that migrations can change: a `postgres`',
        got: `${describe(resource)}, which is a \`${kindOf(resource)}\``,
        suggestion: databases[0] ?? null,
      }),
    ];
  }
  if (declared.resources.has(resource)) {
    return [
      mistake({
        path: at,
        expected: `a resource that the service lists in its \`resources\``,
        got: `${describe(resource)}, which it does not list`,
      }),
    ];
  }
  return [
    mistake({
      path: at,
      expected: attached.length === 0 ? 'a resource that the service lists in its `resources`' : oneOf(attached),
      got: describe(resource),
      suggestion: nearest(resource, attached.length > 0 ? attached : [...declared.resources.keys()]),
    }),
  ];
}

function checkDependencyCycles(declared: Declared): Mistake[] {
  const edges = new Map(
    [...declared.services].map(([name, { value }]) => [
      name,
      // A service that names itself is reported as a wrong name, not as a cycle.
      (value.dependencies ?? []).filter((dependency) => dependency !== name && declared.services.has(dependency)),
    ]),
  );
  return findCycles(edges).map((cycle) => {
    const [first = '', second = ''] = cycle;
    const index = declared.services.get(first)?.value.dependencies?.indexOf(second) ?? 0;
    return mistake({
      path: ['services', first, 'dependencies', index],
      expected: 'dependencies without a cycle',
      got: `the cycle ${[...cycle, first].join(' → ')}`,
    });
  });
}

/** One cycle for each group of names that reach each other, starting with the name that was declared first. */
export function findCycles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const reported = new Set<string>();
  for (const start of edges.keys()) {
    if (reported.has(start)) continue;
    const cycle = shortestWayBack(start, edges);
    if (cycle === null || cycle.some((name) => reported.has(name))) continue;
    cycles.push(cycle);
    for (const name of cycle) reported.add(name);
  }
  return cycles;
}

/** Breadth first from a name back to itself. */
function shortestWayBack(start: string, edges: ReadonlyMap<string, readonly string[]>): string[] | null {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const name of queue) {
    for (const next of edges.get(name) ?? []) {
      if (next === start) {
        const way = [name];
        for (let at = name; at !== start;) {
          at = cameFrom.get(at) ?? start;
          way.unshift(at);
        }
        return way;
      }
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, name);
      queue.push(next);
    }
  }
  return null;
}

function checkEnvironments(declared: Declared): Mistake[] {
  const mistakes: Mistake[] = [];
  for (const [environment, pieces] of declared.environments) {
    const path = ['environments', environment];
    const services = [...declared.services.keys()];
    const resources = [...declared.resources.keys()];
    for (const [service, { value }] of pieces.overrides) {
      const at = [...path, 'overrides', service];
      if (!services.includes(service)) mistakes.push(unknownName(at, 'service', service, services));
      mistakes.push(...checkAddresses([...at, 'environment'], value.environment, declared));
      mistakes.push(...checkStrategyName([...at, 'strategy'], value.strategy, declared));
      const attached = declared.services.get(service)?.value.resources ?? [];
      mistakes.push(...checkMigrations([...at, 'gates', 'migrations'], value.gates?.migrations, attached, declared));
    }
    for (const [resource, { value }] of pieces.resources) {
      const at = [...path, 'resources', resource];
      if (!resources.includes(resource)) mistakes.push(unknownName(at, 'resource', resource, resources));
      const kind = declared.resources.get(resource)?.value.kind;
      if (kind === undefined || value.kind === undefined || value.kind === kind) continue;
      const expected = `\`${kind}\`, as everywhere else: services speak to it the same way in every environment`;
      mistakes.push(mistake({ path: [...at, 'kind'], expected, got: describe(value.kind), suggestion: kind }));
    }
  }
  return mistakes;
}

const unknownName = (path: MistakePath, what: string, name: string, known: readonly string[]): Mistake =>
  mistake({ path, expected: describeChoice(what, known), got: describe(name), suggestion: nearest(name, known) });

function describeChoice(what: string, known: readonly string[]): string {
  const article = /^[aeiou]/.test(what) ? 'an' : 'a';
  if (known.length === 0) return `the name of ${article} ${what}, of which there is no other`;
  // A platform may have a thousand services; nobody reads a thousand names.
  if (known.length > MOST_SHOWN) return `the name of one of the ${known.length} ${what}s`;
  return `the name of ${article} ${what}: ${oneOf(known)}`;
}

const MOST_SHOWN = 16;

function checkRequires(declared: Declared): Mistake[] {
  const names = [...declared.environments.keys()];
  const mistakes: Mistake[] = [];
  const edges = new Map<string, string[]>();
  for (const [name, { gates }] of declared.environments) {
    const required = gates?.requires ?? null;
    if (required === null) continue;
    const path = ['environments', name, 'gates', 'requires'];
    const others = names.filter((other) => other !== name);
    if (others.includes(required)) edges.set(name, [required]);
    else {
      const expected = required === name ? 'another environment, not itself' : describeChoice('environment', others);
      mistakes.push(mistake({ path, expected, got: describe(required), suggestion: nearest(required, others) }));
    }
  }
  for (const cycle of findCycles(edges)) {
    const [first = ''] = cycle;
    mistakes.push(
      mistake({
        path: ['environments', first, 'gates', 'requires'],
        expected: 'environments that require each other without a cycle',
        got: `the cycle ${[...cycle, first].join(' → ')}`,
      }),
    );
  }
  return mistakes;
}
