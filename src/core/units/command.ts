import { expected, parsed, type Parsed } from './parsed.ts';
import type { Command } from './quantities.ts';

const EXPECTED = 'a program and its arguments, such as "node server.js" or ["node", "server.js"]';
const INSTEAD = 'no shell runs it; for one, write ["sh", "-c", "…"]';

type Split = { readonly ok: true; readonly words: string[] } | { readonly ok: false; readonly expected: string };

/**
 * Reads a command. A text is split into words as a POSIX shell would (blanks, single and double quotes, backslash:
 * POSIX.1-2024, Shell Command Language 2.2) and nothing more: pipes, redirections, variables and the like outside of
 * quotes are refused, since no shell will ever see them. A list of texts is taken as it is.
 */
export function parseCommand(input: unknown): Parsed<Command> {
  if (typeof input === 'string') {
    const split = splitWords(input);
    return split.ok ? commandOf(split.words) : expected(split.expected);
  }
  if (!Array.isArray(input) || !input.every((word) => typeof word === 'string')) return expected(EXPECTED);
  return commandOf(input);
}

/** Writes a command as one line that {@link parseCommand} splits into the same words. */
export function formatCommand(command: readonly string[]): string {
  return command.map((word) => (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : quote(word))).join(' ');
}

function commandOf(words: readonly string[]): Parsed<Command> {
  const [program, ...args] = words;
  if (program === undefined || program === '') return expected(EXPECTED);
  if (words.some((word) => word.includes('\0'))) return expected(`${EXPECTED}, without NUL characters`);
  if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(program)) {
    return expected(`${EXPECTED}; variables such as \`${program}\` belong into \`environment\``);
  }
  return parsed([program, ...args]);
}

function splitWords(text: string): Split {
  const words: string[] = [];
  let word: string | null = null;
  let index = 0;
  while (index < text.length) {
    const char = text.charAt(index);
    if (/[ \t\r\n]/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
      index += 1;
    } else if (char === "'") {
      const end = text.indexOf("'", index + 1);
      if (end === -1) return unclosed(char);
      word = (word ?? '') + text.slice(index + 1, end);
      index = end + 1;
    } else if (char === '"') {
      const quoted = doubleQuoted(text, index + 1);
      if (!quoted.ok) return quoted;
      word = (word ?? '') + quoted.content;
      index = quoted.next;
    } else if (char === '\\') {
      if (index + 1 >= text.length) return { ok: false, expected: `${EXPECTED}, not ending in a single backslash` };
      // A backslash before a line end joins two lines.
      if (text.charAt(index + 1) !== '\n') word = (word ?? '') + text.charAt(index + 1);
      index += 2;
    } else {
      const feature = shellFeature(text, index, word === null);
      if (feature !== null) return refused(feature);
      word = (word ?? '') + char;
      index += 1;
    }
  }
  if (word !== null) words.push(word);
  return { ok: true, words };
}

type Quoted =
  | { readonly ok: true; readonly content: string; readonly next: number }
  | { readonly ok: false; readonly expected: string };

function doubleQuoted(text: string, start: number): Quoted {
  let content = '';
  let index = start;
  while (index < text.length) {
    const char = text.charAt(index);
    const next = text.charAt(index + 1);
    if (char === '"') return { ok: true, content, next: index + 1 };
    if (char === '\\' && /["\\$`]/.test(next)) {
      content += next;
      index += 2;
    } else if (char === '\\' && next === '\n') {
      index += 2;
    } else if (char === '`' || (char === '$' && /[A-Za-z0-9_{(@*#?$!-]/.test(next))) {
      // A shell substitutes these in double quotes, too.
      return refused(
        char === '`' ? 'command substitution (`)' : `variable or substitution (${variableAt(text, index)})`,
      );
    } else {
      content += char;
      index += 1;
    }
  }
  return unclosed('"');
}

/** The shell feature that starts at this unquoted character, in words, or null. */
function shellFeature(text: string, index: number, startsWord: boolean): string | null {
  const char = text.charAt(index);
  const next = text.charAt(index + 1);
  switch (char) {
    case '|':
      return next === '|' ? '"or" list (||)' : 'pipe (|)';
    case '&':
      return next === '&' ? '"and" list (&&)' : 'background job (&)';
    case ';':
      return 'command list (;)';
    case '>':
    case '<':
      return `redirection (${char})`;
    case '`':
      return 'command substitution (`)';
    case '(':
    case ')':
      return `subshell (${char})`;
    case '*':
    case '?':
      return `file pattern (${char})`;
    case '$':
      return next === '' || /[ \t\r\n]/.test(next) ? null : `variable or substitution (${variableAt(text, index)})`;
    case '~':
      return startsWord ? 'home folder (~)' : null;
    case '#':
      return startsWord ? 'comment (#)' : null;
    default:
      return null;
  }
}

const variableAt = (text: string, index: number): string =>
  /^\$(\w+|\{\w*\}?|\(|.)?/.exec(text.slice(index))?.[0] ?? '$';

const refused = (feature: string): { readonly ok: false; readonly expected: string } => ({
  ok: false,
  expected: `${EXPECTED}, without a ${feature}: ${INSTEAD}`,
});

const unclosed = (quoteMark: string): { readonly ok: false; readonly expected: string } => ({
  ok: false,
  expected: `${EXPECTED}, with every ${quoteMark} closed`,
});

const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
