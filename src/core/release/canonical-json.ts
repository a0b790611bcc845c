/** What JSON can hold, read back from a store. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [member: string]: JsonValue };

/**
 * The one text of a JSON value: members sorted by UTF-16 code units, no white space, numbers and strings as ECMAScript
 * writes them. Equal values have equal texts, so a hash of the text identifies the value.
 *
 * Refuses what JSON would change silently (`undefined`, NaN, infinities, functions, bigints, class instances such as Date
 * and Map, lone surrogates, cycles): what is written to a journal must be what is read back.
 *
 * @throws TypeError naming the path of the first value that is not JSON.
 * @see RFC 8785, JSON Canonicalization Scheme
 */
export function canonicalJson(value: unknown): string {
  return write(value, '$', new Set());
}

function write(value: unknown, path: string, parents: Set<object>): string {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw notJson(path, 'a string with a lone surrogate');
      return JSON.stringify(value);
    case 'number':
      if (!Number.isFinite(value)) throw notJson(path, String(value));
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      return value === null ? 'null' : writeObject(value, path, parents);
    default:
      throw notJson(path, typeof value);
  }
}

function writeObject(value: object, path: string, parents: Set<object>): string {
  if (parents.has(value)) throw notJson(path, 'a cycle');
  parents.add(value);
  try {
    if (Array.isArray(value)) {
      return `[${Array.from(value, (item: unknown, index) => write(item, `${path}[${index}]`, parents)).join(',')}]`;
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw notJson(path, `an instance of ${value.constructor.name}`);
    }
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, member]) => `${write(name, path, parents)}:${write(member, `${path}.${name}`, parents)}`).join(',')}}`;
  } finally {
    parents.delete(value);
  }
}

function notJson(path: string, found: string): TypeError {
  return new TypeError(`${path} is ${found}, which JSON cannot hold.`);
}
