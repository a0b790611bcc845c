/**
 * What JSON values at one place consist of, without the values themselves; the elements of an array are at one place. Null is
 * nothing known. As large as what it was made of at most, so comparing is as quick as reading.
 */
interface Shape {
  readonly types: Set<'boolean' | 'number' | 'string'>;
  /** Null when no array was seen. */
  elements: Shape | null;
  /** Null when no object was seen. */
  fields: Map<string, Shape> | null;
}

/** Below this depth nothing is told apart: recursion ends, whatever an instance sends. */
const DEEPEST = 32;

const emptyShape = (): Shape => ({ types: new Set(), elements: null, fields: null });

/** @param value as `JSON.parse` gives it */
function addTo(shape: Shape, value: unknown, depth: number): void {
  if (value === null || depth > DEEPEST) return;
  if (typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string') {
    shape.types.add(typeof value as 'boolean' | 'number' | 'string');
  } else if (Array.isArray(value)) {
    shape.elements ??= emptyShape();
    for (const element of value) addTo(shape.elements, element, depth + 1);
  } else if (typeof value === 'object') {
    shape.fields ??= new Map();
    for (const [name, field] of Object.entries(value)) {
      let known = shape.fields.get(name);
      if (known === undefined) {
        known = emptyShape();
        shape.fields.set(name, known);
      }
      addTo(known, field, depth + 1);
    }
  }
}

const nothingKnown = ({ types, elements, fields }: Shape): boolean =>
  types.size === 0 && elements === null && fields === null;

function same(a: Shape, b: Shape): boolean {
  if (nothingKnown(a) || nothingKnown(b)) return true;
  if (a.types.size !== b.types.size || [...a.types].some((type) => !b.types.has(type))) return false;
  if ((a.elements === null) !== (b.elements === null) || (a.fields === null) !== (b.fields === null)) return false;
  if (a.elements !== null && b.elements !== null && !same(a.elements, b.elements)) return false;
  if (a.fields === null || b.fields === null) return true;
  if (a.fields.size !== b.fields.size) return false;
  for (const [name, field] of a.fields) {
    const other = b.fields.get(name);
    if (other === undefined || !same(field, other)) return false;
  }
  return true;
}

/**
 * Whether two values could be answers of the same program to the same question: the same fields of the same types, in arrays all
 * elements taken together. What is null on one side, and arrays that are empty, fit everything.
 */
export function sameShape(a: unknown, b: unknown): boolean {
  const [one, other] = [emptyShape(), emptyShape()];
  addTo(one, a, 0);
  addTo(other, b, 0);
  return same(one, other);
}

/** Whether two bodies have the same shape; null when one of them is no JSON. */
export function sameJsonShape(a: Buffer, b: Buffer): boolean | null {
  try {
    return sameShape(JSON.parse(a.toString()), JSON.parse(b.toString()));
  } catch {
    return null;
  }
}
