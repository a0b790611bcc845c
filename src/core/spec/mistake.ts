/** One thing that is wrong in a declaration. */
export interface Mistake {
  /** Where, as one would write it in code: `services.api.health.path`, `services.api.dependencies[0]`; empty for the root. */
  readonly path: string;
  /** Completes "expected …". */
  readonly expected: string;
  /** What stood there, for people; never the value of what looks like a secret. */
  readonly got: string;
  /** What to write instead, without decoration, or null. */
  readonly suggestion: string | null;
  /** All of it as one sentence. */
  readonly message: string;
}

export type MistakePath = readonly (string | number)[];

/** Parts of a mistake as checks state them; {@link mistake} makes the sentence. */
export interface MistakeParts {
  readonly path: MistakePath;
  readonly expected: string;
  readonly got: string;
  readonly suggestion?: string | null;
}

/** Makes a mistake of its parts. */
export function mistake({ path, expected, got, suggestion = null }: MistakeParts): Mistake {
  const where = formatPath(path);
  const didYouMean = suggestion === null ? '' : `; did you mean \`${suggestion}\`?`;
  return {
    path: where,
    expected,
    got,
    suggestion,
    message: `${where === '' ? 'the platform' : where}: expected ${expected}, got ${got}${didYouMean}`,
  };
}

/** Writes a path as code would: `services.api.dependencies[0]`, `services["my service"]`. */
export function formatPath(path: MistakePath): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`;
      if (!/^[A-Za-z_$][\w$-]*$/.test(part)) return `[${JSON.stringify(part)}]`;
      return index === 0 ? part : `.${part}`;
    })
    .join('');
}

/** Says in a few words what a value is, for the "got" of a mistake. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing';
    case 'string':
      return JSON.stringify(value.length > 60 ? `${value.slice(0, 59)}…` : value);
    case 'number':
    case 'boolean':
      return String(value);
    case 'object':
      return describeObject(value);
    case 'function':
      return 'a function';
    case 'bigint':
      return `the bigint ${value}n`;
    case 'symbol':
      return 'a symbol';
  }
}

function describeObject(value: object | null): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  const keys = Object.keys(value);
  if (keys.length === 0) return 'an empty object';
  const shown = keys.slice(0, 4).map((key) => `\`${key.length > 30 ? `${key.slice(0, 29)}…` : key}\``);
  return `an object with ${shown.join(', ')}${keys.length > shown.length ? ', …' : ''}`;
}

/** Reads a path that {@link formatPath} wrote. */
export function parsePath(path: string): (string | number)[] {
  const parts = path.matchAll(/\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|\.?([^.[\]]+)/g);
  return [...parts].map(([, index, quoted, plain = '']) => {
    if (index !== undefined) return Number(index);
    return quoted === undefined ? plain : (JSON.parse(quoted) as string);
  });
}
