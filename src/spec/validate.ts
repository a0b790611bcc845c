import { dirname } from 'node:path';
import { mistake, parsePath, type Mistake } from '../core/spec/mistake.ts';
import { parsePlatform } from '../core/spec/parse-platform.ts';
import type { Platform } from '../core/spec/platform.ts';
import { ConfigExportError } from '../errors.ts';
import { checkMigrations } from './check-migrations.ts';
import type { Place } from './locate.ts';
import { runConfig, type RunConfig, type RunOptions } from './run-config.ts';

/** A mistake and where it stands in the file; null where that is not certain. */
export interface LocatedMistake extends Mistake {
  readonly line: number | null;
  readonly column: number | null;
}

export interface ValidationReport {
  /** Absolute. */
  readonly file: string;
  /** Folder that paths of the platform are relative to. */
  readonly directory: string;
  /** Null when there are mistakes. */
  readonly platform: Platform | null;
  readonly mistakes: readonly LocatedMistake[];
  readonly warnings: readonly LocatedMistake[];
}

/**
 * Runs a configuration and checks what it declares; mistakes in the declaration are reported, not thrown.
 *
 * @param file absolute path, as from `findConfig`
 * @param options `migrations`: those that stand in the source are looked at, too
 * @throws ConfigSyntaxError, ConfigFailedError, ConfigExportError, ConfigUnreadableError
 */
export async function validateConfig(
  file: string,
  options: RunOptions & { readonly migrations?: boolean },
): Promise<ValidationReport> {
  const run = await runConfig(file, options);
  const notPlatform = whyNoPlatform(run);
  if (notPlatform !== null) throw new ConfigExportError(file, notPlatform);
  const foreign = run.foreign.map(({ path, got }) =>
    mistake({ path, expected: 'plain data: texts, numbers, true, false, lists and objects', got }),
  );
  const parsed = parsePlatform(run.value);
  // A function was read as null; what that breaks has one cause, which is said already.
  const consequences = (found: Mistake): boolean => foreign.some(({ path }) => isInside(found.path, path));
  const inFiles = parsed.ok && options.migrations === true ? await checkMigrations(parsed.platform, dirname(file)) : [];
  const mistakes = parsed.ok
    ? [...foreign, ...inFiles]
    : [...foreign, ...parsed.mistakes.filter((found) => !consequences(found))];
  const warnings = parsed.ok ? parsed.warnings : [];
  const [locatedMistakes, locatedWarnings] = await locateAll([mistakes, warnings], run.javascript);
  return {
    file,
    directory: dirname(file),
    platform: parsed.ok && mistakes.length === 0 ? parsed.platform : null,
    mistakes: locatedMistakes,
    warnings: locatedWarnings,
  };
}

/**
 * Writes mistakes for people: a line each for where, what was expected, what stood there, and the nearest valid thing.
 * `file` is shown as given, so that a terminal can open it.
 */
export function formatMistakes(mistakes: readonly LocatedMistake[], file: string): string {
  return mistakes.map((found) => formatOne(found, file, 'error')).join('\n\n');
}

/** The same for warnings. */
export function formatWarnings(warnings: readonly LocatedMistake[], file: string): string {
  return warnings.map((found) => formatOne(found, file, 'warning')).join('\n\n');
}

function formatOne(found: LocatedMistake, file: string, severity: 'error' | 'warning'): string {
  const where = found.line === null ? file : `${file}:${found.line}:${found.column ?? 1}`;
  const lines = [
    `${where} ${severity} ${found.path === '' ? 'the platform' : found.path}`,
    `  expected  ${found.expected}`,
    `  got       ${found.got}`,
  ];
  if (found.suggestion !== null) lines.push(`  did you mean \`${found.suggestion}\`?`);
  return lines.join('\n');
}

type Both<Item> = readonly [mistakes: readonly Item[], warnings: readonly Item[]];

/** Adds places, and brings each list into the order of the file; what has no place comes last. */
async function locateAll([mistakes, warnings]: Both<Mistake>, javascript: string): Promise<Both<LocatedMistake>> {
  if (mistakes.length + warnings.length === 0) return [[], []];
  // Only a file with mistakes pays for the parser.
  const { locator } = await import('./locate.ts');
  const locate = locator(javascript);
  const add = (found: Mistake): LocatedMistake => {
    const place: Place | null = locate(parsePath(found.path));
    return { ...found, line: place?.line ?? null, column: place?.column ?? null };
  };
  const byLine = (a: LocatedMistake, b: LocatedMistake): number =>
    (a.line ?? Number.MAX_SAFE_INTEGER) - (b.line ?? Number.MAX_SAFE_INTEGER);
  return [mistakes.map(add).toSorted(byLine), warnings.map(add).toSorted(byLine)];
}

function whyNoPlatform({ value, foreign }: RunConfig): string | null {
  const root = foreign.find(({ path }) => path.length === 0);
  if (root !== undefined) return root.got;
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? null : `a ${typeof value}`;
}

const isInside = (path: string, outer: string): boolean =>
  path === outer || path.startsWith(`${outer}.`) || path.startsWith(`${outer}[`);
