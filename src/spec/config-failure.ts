import { fileURLToPath } from 'node:url';
import type { RunMessage } from './run-message.ts';

type Failure = Extract<RunMessage, { kind: 'syntax' | 'unsupported' | 'import' | 'threw' }>;

/** Says where and why running a configuration failed. `config` is its file, where nothing better is known. */
export function failureOf(error: unknown, config: string): Failure {
  if (!(error instanceof Error)) {
    return { kind: 'threw', file: config, line: null, column: null, reason: `it threw ${describeThrown(error)}` };
  }
  const code: unknown = Reflect.get(error, 'code');
  const reason = firstLine(error.message).replace(/\.$/, '');
  if (error instanceof SyntaxError) {
    const kind = code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' ? 'unsupported' : 'syntax';
    return { kind, ...syntaxPlace(error.stack ?? '', config), reason };
  }
  const name = error.name === 'Error' ? '' : `${error.name}: `;
  const kind = code === 'ERR_MODULE_NOT_FOUND' || code === 'ERR_PACKAGE_PATH_NOT_EXPORTED' ? 'import' : 'threw';
  if (kind === 'import')
    return { kind, file: config, line: null, column: null, reason: reason.replace(/^Cannot/, 'cannot') };
  return { kind, ...throwPlace(error.stack ?? '', config), reason: `it threw "${name}${reason}"` };
}

interface Place {
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
}

/** Node begins the stack of a syntax error with "file:line", lines of the source, and a line with carets below the place. */
function syntaxPlace(stack: string, config: string): Place {
  const lines = stack.split('\n');
  const head = /^(.*):(\d+)$/.exec(lines[0] ?? '');
  if (head === null) return { file: config, line: null, column: null };
  const [, where = '', line] = head;
  const caret = lines.slice(1, 6).find((text) => /^\s*\^+\s*$/.test(text));
  return {
    file: where === '' ? config : pathOf(where),
    line: Number(line),
    column: caret === undefined ? null : caret.indexOf('^') + 1,
  };
}

/** The first frame that is in a file of the project: not in Node, not in a package. */
function throwPlace(stack: string, config: string): Place {
  for (const frame of stack.matchAll(/^\s+at .*?\(?(file:\/\/[^\s()]+?):(\d+):(\d+)\)?$/gm)) {
    const [, url = '', line, column] = frame;
    const file = pathOf(url);
    if (file.includes('/node_modules/') || file === fileURLToPath(import.meta.url)) continue;
    return { file, line: Number(line), column: Number(column) };
  }
  return { file: config, line: null, column: null };
}

const pathOf = (where: string): string => (where.startsWith('file:') ? fileURLToPath(where) : where);

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? '';

function describeThrown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(firstLine(value).slice(0, 200)) : `a value of type ${typeof value}`;
}
