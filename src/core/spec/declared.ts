import { z } from 'zod';
import type { Name, Percent } from '../units/quantities.ts';
import { mistakesOf, unknownKey } from './issues.ts';
import { describe, mistake, type Mistake, type MistakePath } from './mistake.ts';
import {
  environmentSchema,
  platformSchema,
  resourceSchema,
  type DeclaredEnvironment,
  type DeclaredResource,
} from './schema.ts';
import { overrideSchema, serviceSchema, type DeclaredOverride, type DeclaredService } from './schema-service.ts';
import type { DeclaredImages } from './schema-images.ts';
import { strategySchema, type DeclaredStrategy } from './schema-strategy.ts';

/**
 * What could be read of one part of a declaration. Keys are read one by one, so that a mistake in one of them does not
 * hide mistakes in the others.
 */
export interface Piece<Value> {
  readonly value: Partial<Value>;
  /** Keys that held a mistake and are therefore missing in `value`. */
  readonly broken: ReadonlySet<string>;
}

export interface DeclaredEnvironmentPieces {
  readonly target: DeclaredEnvironment['target'];
  readonly gates: DeclaredEnvironment['gates'];
  readonly overrides: ReadonlyMap<string, Piece<DeclaredOverride>>;
  readonly resources: ReadonlyMap<string, Piece<DeclaredResource>>;
  readonly broken: ReadonlySet<string>;
}

/** A declaration with every value read; each name that was written is there, whatever is wrong with what it names. */
export interface Declared {
  readonly name: Name | null;
  readonly services: ReadonlyMap<string, Piece<DeclaredService>>;
  readonly resources: ReadonlyMap<string, Piece<DeclaredResource>>;
  readonly strategies: ReadonlyMap<string, DeclaredStrategy | null>;
  readonly environments: ReadonlyMap<string, DeclaredEnvironmentPieces>;
  readonly images: DeclaredImages | undefined;
  /** Sections that are not there or could not be read at all. */
  readonly broken: ReadonlySet<string>;
}

/** Reads what a person declared, key by key, and reports what has the wrong form. Null when it is not even an object. */
export function readDeclaration(input: unknown, report: (mistakes: readonly Mistake[]) => void): Declared | null {
  if (!isRecord(input)) {
    report([mistake({ path: [], expected: 'a platform: definePlatform({ name, services })', got: describe(input) })]);
    return null;
  }
  const { shape } = platformSchema;
  report(unknownKeys(input, Object.keys(shape), []));
  const name = shape.name.safeParse(own(input, 'name'));
  if (!name.success) report(mistakesOf(name.error.issues, own(input, 'name'), ['name']));

  const section = <Value>(
    key: (typeof SECTIONS)[number],
    read: (value: unknown, path: MistakePath) => Value,
  ): Map<string, Value> => readRecord(own(input, key), [key], key !== 'services', read, report);

  return {
    name: name.success ? name.data : null,
    services: section('services', (value, path) => readPiece(serviceSchema, value, path, report)),
    resources: section('resources', (value, path) => readPiece(resourceSchema, value, path, report)),
    strategies: section('strategies', (value, path) => {
      const { read, issues } = readStrategy(value);
      report(mistakesOf(issues, value, path));
      return read ?? null;
    }),
    environments: section('environments', (value, path) => readEnvironment(value, path, report)),
    images: readKnown({ images: shape.images }, input, [], report).value['images'] as DeclaredImages | undefined,
    broken: new Set(SECTIONS.filter((key) => !isRecord(own(input, key)))),
  };
}

const SECTIONS = ['services', 'resources', 'strategies', 'environments'] as const;

function readEnvironment(
  value: unknown,
  path: MistakePath,
  report: (mistakes: readonly Mistake[]) => void,
): DeclaredEnvironmentPieces {
  const { overrides, resources, ...plain } = isRecord(value) ? value : { overrides: undefined, resources: undefined };
  const { shape } = environmentSchema;
  if (isRecord(value)) report(unknownKeys(value, Object.keys(shape), path));
  else
    report([
      mistake({
        path,
        expected: 'an environment: an object with `target`, `overrides`, `resources` and `gates`',
        got: describe(value),
      }),
    ]);
  const piece = readKnown({ target: shape.target, gates: shape.gates }, plain, path, report);
  return {
    target: piece.value['target'] as DeclaredEnvironment['target'],
    gates: piece.value['gates'] as DeclaredEnvironment['gates'],
    broken: piece.broken,
    overrides: readRecord(
      overrides,
      [...path, 'overrides'],
      true,
      (item, at) => readOverride(item, at, report),
      report,
    ),
    resources: readRecord(
      resources,
      [...path, 'resources'],
      true,
      (item, at) => readPiece(resourceSchema, item, at, report),
      report,
    ),
  };
}

/** `source`, `build` and the like cannot differ between environments; say why instead of "unknown key". */
function readOverride(
  value: unknown,
  path: MistakePath,
  report: (mistakes: readonly Mistake[]) => void,
): Piece<DeclaredOverride> {
  const fixed = ['source', 'build', 'dependencies', 'resources'].filter(
    (key) => isRecord(value) && Object.hasOwn(value, key),
  );
  report(
    fixed.map((key) =>
      mistake({
        path: [...path, key],
        expected: `\`${key}\` in \`services\` only, because one artifact goes through all environments`,
        got: describe(isRecord(value) ? value[key] : undefined),
      }),
    ),
  );
  if (!isRecord(value)) return readPiece(overrideSchema, value, path, report);
  return readPiece(
    overrideSchema,
    Object.fromEntries(Object.entries(value).filter(([key]) => !fixed.includes(key))),
    path,
    report,
  );
}

function readPiece<Shape extends z.core.$ZodLooseShape>(
  schema: z.ZodObject<Shape, z.core.$strict>,
  value: unknown,
  path: MistakePath,
  report: (mistakes: readonly Mistake[]) => void,
): Piece<z.output<z.ZodObject<Shape, z.core.$strict>>> {
  if (!isRecord(value)) {
    const result = schema.safeParse(value);
    report(mistakesOf(result.error?.issues ?? [], value, path));
    return { value: {}, broken: new Set(Object.keys(schema.shape)) };
  }
  report(unknownKeys(value, Object.keys(schema.shape), path));
  const piece = readKnown(schema.shape, value, path, report);
  return { value: piece.value as Partial<z.output<z.ZodObject<Shape, z.core.$strict>>>, broken: piece.broken };
}

function readKnown(
  shape: z.core.$ZodLooseShape,
  value: Readonly<Record<string, unknown>>,
  path: MistakePath,
  report: (mistakes: readonly Mistake[]) => void,
): Piece<Record<string, unknown>> {
  const read: Record<string, unknown> = {};
  const broken = new Set<string>();
  for (const [key, schema] of Object.entries(shape)) {
    const item = own(value, key);
    const result = key === 'strategy' && isRecord(item) ? readStrategy(item) : readSalvaging(schema as z.ZodType, item);
    if (result.read !== undefined) read[key] = result.read;
    if (result.issues.length === 0) continue;
    broken.add(key);
    report(mistakesOf(result.issues, item, [...path, key]));
  }
  return { value: read, broken };
}

interface Salvaged<Value> {
  readonly read: Value | undefined;
  readonly issues: readonly z.core.$ZodIssue[];
  /** Keys of the value that were left out to read the others. */
  readonly lost: ReadonlySet<PropertyKey>;
}

/** Reads a value; of an object with mistakes in some keys, the others. */
function readSalvaging<Value>(schema: z.ZodType<Value>, value: unknown): Salvaged<Value> {
  const form = isRecord(value) ? (objectForm(schema) as z.ZodType<Value>) : schema;
  const whole = form.safeParse(value);
  if (whole.success) return { read: whole.data, issues: [], lost: new Set() };
  const { issues } = whole.error;
  const lost = new Set(
    issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : issue.path.slice(0, 1))),
  );
  if (!isRecord(value)) return { read: undefined, issues, lost };
  const rest = form.safeParse(Object.fromEntries(Object.entries(value).filter(([key]) => !lost.has(key))));
  return { read: rest.data, issues, lost };
}

function readStrategy(value: unknown): Salvaged<DeclaredStrategy> {
  const result = readSalvaging<DeclaredStrategy>(strategySchema, value);
  const { read, lost } = result;
  if (read === undefined || lost.size === 0) return result;
  // The checks of what is left must not measure it against defaults that nobody asked for.
  const { deadlines: _deadlines, ...checkable } = read;
  return {
    ...result,
    read: checkable.kind === 'rolling' || !lost.has('holdback') ? checkable : { ...checkable, holdback: 0 as Percent },
  };
}

/** Of a choice between an object and something else, the object: its issues then name its keys. */
function objectForm(schema: z.core.SomeType): z.core.SomeType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return objectForm(schema.unwrap());
  if (!(schema instanceof z.ZodUnion) || schema instanceof z.ZodDiscriminatedUnion) return schema;
  const objects = schema.options.filter(
    (option) => option instanceof z.ZodObject || option instanceof z.ZodDiscriminatedUnion,
  );
  return objects.length === 1 ? (objects[0] ?? schema) : schema;
}

function readRecord<Value>(
  value: unknown,
  path: MistakePath,
  optional: boolean,
  read: (value: unknown, path: MistakePath) => Value,
  report: (mistakes: readonly Mistake[]) => void,
): Map<string, Value> {
  if (value === undefined && optional) return new Map();
  if (!isRecord(value)) {
    report([mistake({ path, expected: `an object of ${String(path.at(-1))} by name`, got: describe(value) })]);
    return new Map();
  }
  const present = Object.entries(value).filter(([, item]) => !optional || item !== undefined);
  return new Map(present.map(([key, item]) => [key, read(item, [...path, key])]));
}

function unknownKeys(value: Readonly<Record<string, unknown>>, known: readonly string[], path: MistakePath): Mistake[] {
  return Object.keys(value)
    .filter((key) => !known.includes(key))
    .map((key) => unknownKey([...path, key], known));
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const own = (value: Readonly<Record<string, unknown>>, key: string): unknown =>
  Object.hasOwn(value, key) ? value[key] : undefined;
