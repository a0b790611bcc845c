import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatCommand, parseCommand } from './command.ts';

const wordsOf = (input: unknown): readonly string[] | string => {
  const result = parseCommand(input);
  return result.ok ? result.value : result.expected;
};

describe('a command as a text', () => {
  test.each([
    ['node server.js', ['node', 'server.js']],
    ['  node \t server.js\n', ['node', 'server.js']],
    ['echo \'a b\' "c d" e\\ f', ['echo', 'a b', 'c d', 'e f']],
    ['echo a\'b\'"c"d', ['echo', 'abcd']],
    ['echo \'\' ""', ['echo', '', '']],
    ["echo '$HOME | `x`'", ['echo', '$HOME | `x`']],
    ['echo "\\$HOME \\"x\\" \\\\ \\n"', ['echo', '$HOME "x" \\ \\n']],
    ['echo "a | b && c > d; e"', ['echo', 'a | b && c > d; e']],
    ['echo \\| \\$HOME', ['echo', '|', '$HOME']],
    ['node --x=a#b a~', ['node', '--x=a#b', 'a~']],
    ['echo "5$" $', ['echo', '5$', '$']],
    ['a \\\nb', ['a', 'b']],
  ])('%j', (text, words) => {
    expect(wordsOf(text)).toEqual(words);
  });

  test.each([
    ['a | b', 'pipe (|)'],
    ['a || b', '"or" list (||)'],
    ['a && b', '"and" list (&&)'],
    ['a &', 'background job (&)'],
    ['a; b', 'command list (;)'],
    ['a > b', 'redirection (>)'],
    ['a < b', 'redirection (<)'],
    ['a 2>&1', 'redirection (>)'],
    ['a $HOME', 'variable or substitution ($HOME)'],
    ['a ${HOME}', 'variable or substitution (${HOME})'],
    ['a "$HOME/x"', 'variable or substitution ($HOME)'],
    ['a $(b)', 'variable or substitution ($()'],
    ['a `b`', 'command substitution (`)'],
    ['a "`b`"', 'command substitution (`)'],
    ['(a)', 'subshell (()'],
    ['a *.js', 'file pattern (*)'],
    ['a ~/x', 'home folder (~)'],
    ['a # b', 'comment (#)'],
  ])('%j is refused: a %s', (text, feature) => {
    expect(wordsOf(text)).toContain(`without a ${feature}: no shell runs it; for one, write ["sh", "-c", "…"]`);
  });

  test.each([
    ["a 'b", "with every ' closed"],
    ['a "b', 'with every " closed'],
    ['a \\', 'not ending in a single backslash'],
    ['A=1 b', 'variables such as `A=1` belong into `environment`'],
    ['', 'a program and its arguments'],
    [' \n', 'a program and its arguments'],
    ["'' a", 'a program and its arguments'],
  ])('%j is refused', (text, expected) => {
    expect(wordsOf(text)).toContain(expected);
  });

  test('splits into the words that a real shell makes of it', () => {
    const pieces = fc.constantFrom(
      'a',
      ' ',
      '  ',
      "'",
      '"',
      '\\',
      'b c',
      '=',
      '-x',
      '\t',
      '%',
      "'d e'",
      '"f g"',
      '\\"',
    );
    const texts = fc.array(pieces, { minLength: 1, maxLength: 10 }).map((list) => `printf_args ${list.join('')}`);
    // One shell for all samples: it prints each word in brackets, or fails as a whole for the one it cannot read.
    const accepted = fc.sample(texts, { numRuns: 150, seed: 7 }).filter((text) => parseCommand(text).ok);
    expect(accepted.length).toBeGreaterThan(30);
    const script = `printf_args() { for word in "$@"; do printf '[%s]' "$word"; done; printf '\\n'; }\n${accepted.join('\n')}`;
    const shell = spawnSync('sh', [], { input: script, encoding: 'utf8' });
    expect(shell.stderr).toBe('');
    const ours = accepted.map((text) => {
      const words = wordsOf(text);
      return typeof words === 'string'
        ? words
        : words
            .slice(1)
            .map((word) => `[${word}]`)
            .join('');
    });
    expect(shell.stdout.split('\n').slice(0, -1)).toEqual(ours);
  });
});

describe('a command as a list', () => {
  test('is taken as it is', () => {
    expect(wordsOf(['sh', '-c', 'a | b > $C'])).toEqual(['sh', '-c', 'a | b > $C']);
  });

  test.each([[[]], [['']], [['a', 1]], [[null]], [{}], [5], [null], [['a', 'b\0c']]])('%j is refused', (input) => {
    expect(wordsOf(input)).toContain('a program and its arguments');
  });
});

test('a command that is written is read back', () => {
  const words = fc.array(
    fc.string().filter((word) => !word.includes('\0')),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z./]+$/), words, (program, args) => {
      expect(wordsOf(formatCommand([program, ...args]))).toEqual([program, ...args]);
    }),
  );
});
