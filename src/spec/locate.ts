import {
  parse,
  type Expression,
  type Identifier,
  type Node,
  type ObjectExpression,
  type Program,
  type Property,
} from 'acorn';

/** A place in a text file, both 1-based; columns count UTF-16 code units, as editors do. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Finds where in a source a value is written. */
export type Locate = (path: readonly (string | number)[]) => Place | null;

/**
 * Reads the source of a configuration once, for many questions. A path is answered with the place of its key (or list
 * entry), and a key that is not there with the place of the object that lacks it, as long as all of it is written as
 * literals or constants of this file. Whatever may come from elsewhere (spreads, calls, imports) is answered with null: no
 * place is better than a wrong one.
 *
 * @param javascript the configuration without its types
 */
export function locator(javascript: string): Locate {
  let program: Program;
  try {
    program = parse(javascript, { ecmaVersion: 'latest', sourceType: 'module', locations: true, allowHashBang: true });
  } catch {
    // Node accepted what this parser does not know yet.
    return () => null;
  }
  const scope = new Scope(program);
  const root = scope.defaultExport();
  return (path) => (root === null ? null : walk(root, path, root, scope));
}

/** @param at node whose place stands for what has been walked so far */
function walk(expression: Expression, path: readonly (string | number)[], at: Node, scope: Scope): Place | null {
  const [part, ...rest] = path;
  if (part === undefined) return placeOf(at);
  const value = scope.resolve(expression);
  if (typeof part === 'number') {
    if (value?.type !== 'ArrayExpression') return null;
    const before = value.elements.slice(0, part + 1);
    const element = before[part];
    if (element === undefined || element === null || before.some((item) => item?.type === 'SpreadElement')) return null;
    return element.type === 'SpreadElement' ? null : walk(element, rest, element, scope);
  }
  if (value?.type !== 'ObjectExpression') return null;
  const property = findProperty(value, part);
  if (property === 'unknown') return null;
  if (property === 'absent') return rest.length === 0 ? placeOf(at) : null;
  return walk(property.value, rest, property.key, scope);
}

/** The property that gives a key its value; unknown when something behind it may give it another. */
function findProperty(object: ObjectExpression, key: string): Property | 'absent' | 'unknown' {
  for (const property of object.properties.toReversed()) {
    if (property.type === 'SpreadElement' || property.kind !== 'init') return 'unknown';
    const name = keyOf(property);
    if (name === null) return 'unknown';
    if (name === key) return property;
  }
  return 'absent';
}

function keyOf({ key, computed }: Property): string | null {
  if (key.type === 'Identifier') return computed ? null : key.name;
  return key.type === 'Literal' ? String(key.value) : null;
}

function placeOf(node: Node): Place | null {
  const start = node.loc?.start;
  return start === undefined ? null : { line: start.line, column: start.column + 1 };
}

/** What the names of a module stand for, as far as that is certain. */
class Scope {
  readonly #program: Program;
  readonly #constants = new Map<string, Expression>();
  /** Names by which `definePlatform` goes in this module. */
  readonly #definers = new Set<string>();

  constructor(program: Program) {
    this.#program = program;
    for (const statement of program.body) {
      if (statement.type === 'ImportDeclaration' && statement.source.value === 'veza-deploy') {
        for (const specifier of statement.specifiers) {
          if (specifier.type !== 'ImportSpecifier' || specifier.imported.type !== 'Identifier') continue;
          if (specifier.imported.name === 'definePlatform') this.#definers.add(specifier.local.name);
        }
      }
      const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
      if (declaration?.type !== 'VariableDeclaration' || declaration.kind !== 'const') continue;
      for (const { id, init } of declaration.declarations) {
        if (id.type === 'Identifier' && init) this.#constants.set(id.name, init);
      }
    }
    // A constant that is used in any other way than as a value of the declaration may have been changed.
    for (const name of this.#constants.keys()) {
      if (!isOnlyPlaced(program, name, this.#definers)) this.#constants.delete(name);
    }
  }

  defaultExport(): Expression | null {
    for (const statement of this.#program.body) {
      if (statement.type !== 'ExportDefaultDeclaration') continue;
      const { declaration } = statement;
      if (declaration.type === 'FunctionDeclaration' || declaration.type === 'ClassDeclaration') return null;
      return declaration;
    }
    return null;
  }

  /** Follows constants and `definePlatform(…)` to what they stand for. */
  resolve(expression: Expression, depth = 0): Expression | null {
    // Two constants cannot refer to each other in a program that ran; the bound is for certainty.
    if (depth > 16) return null;
    if (expression.type === 'Identifier') {
      const value = this.#constants.get(expression.name);
      return value === undefined ? null : this.resolve(value, depth + 1);
    }
    if (expression.type !== 'CallExpression') return expression;
    const [argument] = expression.arguments;
    if (!isDefiner(expression.callee, this.#definers)) return null;
    return argument === undefined || argument.type === 'SpreadElement' ? null : this.resolve(argument, depth + 1);
  }
}

const isDefiner = (callee: Node, definers: ReadonlySet<string>): boolean =>
  callee.type === 'Identifier' && definers.has((callee as Identifier).name);

/** Whether every use of a name puts its value into an object, a list, the default export or `definePlatform`. */
function isOnlyPlaced(program: Program, name: string, definers: ReadonlySet<string>): boolean {
  const check = (node: Node, parent: Node | null): boolean => {
    if (
      node.type === 'Identifier' &&
      (node as Identifier).name === name &&
      parent !== null &&
      !places(node, parent, definers)
    ) {
      return false;
    }
    return childrenOf(node).every((child) => check(child, node));
  };
  return check(program, null);
}

function places(node: Node, parent: Node, definers: ReadonlySet<string>): boolean {
  switch (parent.type) {
    case 'Property':
    case 'ArrayExpression':
    case 'ExportDefaultDeclaration':
    case 'VariableDeclarator':
      return true;
    case 'CallExpression':
      return isDefiner(Reflect.get(parent, 'callee') as Node, definers);
    case 'MemberExpression':
      // `x.api` is another name, `api.x` reads or changes this one.
      return Reflect.get(parent, 'property') === node && Reflect.get(parent, 'computed') === false;
    default:
      return false;
  }
}

function childrenOf(node: Node): Node[] {
  return Object.values(node)
    .flat()
    .filter(
      (child): child is Node =>
        typeof child === 'object' && child !== null && typeof Reflect.get(child, 'type') === 'string',
    );
}
