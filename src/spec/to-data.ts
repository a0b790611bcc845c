import type { JsonValue } from '../core/release/canonical-json.ts';
import type { ForeignValue } from './run-message.ts';

/** Deeper than this no declaration goes; a value that does would end the process with a stack overflow. */
const DEEPEST = 64;

/** Copies a value as data. What is no data becomes null in the copy and is listed with its path. */
export function toData(value: unknown): { value: JsonValue; foreign: ForeignValue[] } {
  const foreign: ForeignValue[] = [];
  const copy = (
    item: unknown,
    path: readonly (string | number)[],
    parents: readonly object[],
  ): JsonValue | undefined => {
    if (item === undefined || item === null || typeof item === 'string' || typeof item === 'boolean') return item;
    if (typeof item === 'number' && Number.isFinite(item)) return item;
    const got = whatForeign(item, parents);
    if (got !== null) {
      foreign.push({ path, got });
      return null;
    }
    if (typeof item !== 'object') return null;
    const inside = [...parents, item];
    if (Array.isArray(item)) return item.map((element, index) => copy(element, [...path, index], inside) ?? null);
    const members = Object.entries(item).flatMap(([key, member]): [string, JsonValue][] => {
      const data = copy(member, [...path, key], inside);
      return data === undefined ? [] : [[key, data]];
    });
    return Object.fromEntries(members);
  };
  return { value: copy(value, [], []) ?? null, foreign };
}

/** What a value is in words when it is no data, null when it is. */
function whatForeign(item: unknown, parents: readonly object[]): string | null {
  if (typeof item === 'function') return /^class\s/.test(String(item)) ? 'a class' : 'a function';
  if (typeof item === 'symbol') return 'a symbol';
  if (typeof item === 'bigint') return `the bigint ${item}n`;
  if (typeof item !== 'object' || item === null) return String(item);
  if (parents.includes(item)) return 'a value that contains itself';
  if (parents.length >= DEEPEST) return 'a value that goes too deep';
  if (Array.isArray(item)) return null;
  const prototype: unknown = Object.getPrototypeOf(item);
  if (prototype === null || prototype === Object.prototype) return null;
  if (item instanceof Promise) return 'a promise (is an `await` missing?)';
  return `an instance of ${item.constructor.name}`;
}
