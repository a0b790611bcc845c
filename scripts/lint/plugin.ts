/**
 * House rules that no ready-made rule covers, as an oxlint plugin. Each has fixtures that break it in
 * `test/architecture.test.ts`.
 */
import { posix, relative, sep } from 'node:path';
import type { Context, ESTree, Plugin, Rule } from '@oxlint/plugins';
import { CORE_PACKAGES, partOf, refusal } from './directions.ts';

const repositoryPath = (context: Context): string => relative(context.cwd, context.filename).split(sep).join('/');

/** Calls `check` with every module specifier of a file: imports, re-exports and `import()` of a constant. */
function onSpecifiers(check: (specifier: string, node: ESTree.Node) => void): ReturnType<NonNullable<Rule['create']>> {
  const fromSource = (node: ESTree.ImportDeclaration | ESTree.ExportAllDeclaration): void =>
    check(node.source.value, node);
  return {
    ImportDeclaration: fromSource,
    ExportAllDeclaration: fromSource,
    ExportNamedDeclaration(node) {
      if (node.source !== null) check(node.source.value, node);
    },
    ImportExpression(node) {
      if (node.source.type === 'Literal' && typeof node.source.value === 'string') check(node.source.value, node);
    },
    TSImportType(node) {
      check(node.source.value, node);
    },
  };
}

const importDirections: Rule = {
  create(context) {
    const from = repositoryPath(context);
    return onSpecifiers((specifier, node) => {
      if (!specifier.startsWith('.')) return;
      const reason = refusal(from, posix.normalize(posix.join(posix.dirname(from), specifier)));
      if (reason !== null) context.report({ node, message: `Wrong direction: ${reason}.` });
    });
  },
};

/** The core is a function of its arguments: no clock, no chance, no input or output, and nothing to wait for. */
const pureCore: Rule = {
  create(context) {
    if (partOf(repositoryPath(context)) !== 'core') return {};
    const waits = (node: ESTree.Node): void =>
      context.report({ node, message: 'Nothing in the core waits: return an effect instead.' });
    return {
      ...onSpecifiers((specifier, node) => {
        if (
          specifier.startsWith('.') ||
          CORE_PACKAGES.some((name) => specifier === name || specifier.startsWith(`${name}/`))
        )
          return;
        context.report({ node, message: `The core is pure: no import of "${specifier}".` });
      }),
      NewExpression(node) {
        if (node.callee.type === 'Identifier' && node.callee.name === 'Date' && node.arguments.length === 0)
          context.report({ node, message: 'Time is an argument in the core.' });
      },
      AwaitExpression: waits,
      ForOfStatement(node) {
        if (node.await) waits(node);
      },
    };
  },
};

const SHELLS = /(^|\/)(ba|da|z|k)?sh$|^cmd(\.exe)?$/;
const SPAWNS = /^(spawn|spawnSync|execFile|execFileSync|fork)$/;

/** Programs get argument lists. A string for a shell is an injection that waits for its input. */
const noShell: Rule = {
  create(context) {
    return {
      ImportDeclaration(node) {
        if (!/^(node:)?child_process$/.test(node.source.value)) return;
        for (const specifier of node.specifiers) {
          if (specifier.type !== 'ImportSpecifier' || specifier.imported.type !== 'Identifier') {
            context.report({ node: specifier, message: 'Import the functions of node:child_process by name.' });
          } else if (specifier.imported.name === 'exec' || specifier.imported.name === 'execSync') {
            context.report({
              node: specifier,
              message: 'No shell strings: use spawn or execFile with an argument list.',
            });
          }
        }
      },
      CallExpression(node) {
        const name =
          node.callee.type === 'Identifier'
            ? node.callee.name
            : node.callee.type === 'MemberExpression' && node.callee.property.type === 'Identifier'
              ? node.callee.property.name
              : '';
        if (!SPAWNS.test(name)) return;
        const [program] = node.arguments;
        if (program?.type === 'Literal' && typeof program.value === 'string' && SHELLS.test(program.value))
          context.report({ node, message: 'No shell: start the program itself, with an argument list.' });
        for (const argument of node.arguments) {
          if (argument.type !== 'ObjectExpression') continue;
          for (const property of argument.properties) {
            if (property.type !== 'Property' || property.key.type !== 'Identifier' || property.key.name !== 'shell')
              continue;
            if (property.value.type === 'Literal' && property.value.value === false) continue;
            context.report({ node: property, message: 'No shell option: pass an argument list.' });
          }
        }
      },
    };
  },
};

/** A file that only re-exports hides where things live and invites import cycles. `src/index.ts` is the package's face. */
const noBarrel: Rule = {
  create(context) {
    if (repositoryPath(context) === 'src/index.ts') return {};
    return {
      Program(node) {
        const isReExport = (statement: ESTree.Statement | ESTree.Directive): boolean =>
          statement.type === 'ExportAllDeclaration' ||
          (statement.type === 'ExportNamedDeclaration' && statement.source !== null);
        if (node.body.length > 0 && node.body.every(isReExport))
          context.report({ node, message: 'No barrel files: import from the file that has it.' });
      },
    };
  },
};

const plugin: Plugin = {
  meta: { name: 'veza' },
  rules: {
    'import-directions': importDirections,
    'pure-core': pureCore,
    'no-shell': noShell,
    'no-barrel': noBarrel,
  },
};

export default plugin;
