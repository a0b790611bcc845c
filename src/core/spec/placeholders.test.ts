import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fillPlaceholders, insteadOfPlaceholder, literally, placeholdersIn, withoutPort } from './placeholders.ts';

const values = { PORT: '4200', HOST: '127.0.0.1', DATA: '/data' };

describe('placeholders', () => {
  test.each([
    ['{HOST}:{PORT}', '127.0.0.1:4200'],
    ['--storage={DATA}/packages', '--storage=/data/packages'],
    ['{{PORT}}', '{PORT}'],
    ['{{{PORT}}}', '{{PORT}}'],
    ['{"level":{"of":"info"}}', '{"level":{"of":"info"}}'],
    ['{{name}} {port} {} { PORT }', '{{name}} {port} {} { PORT }'],
    ['{OTHER}', '{OTHER}'],
  ])('%s becomes %s', (text, filled) => {
    expect(fillPlaceholders(text, values)).toBe(filled);
  });

  test('a value that looks like a placeholder is not filled in again', () => {
    expect(fillPlaceholders('{DATA}', { DATA: '/a/{PORT}', PORT: '1' })).toBe('/a/{PORT}');
  });

  test('what is written literally comes out as it was, whatever it is', () => {
    const braces = fc.string({ unit: fc.constantFrom('{', '}', 'PORT', 'DATA', 'x', ' ') });
    fc.assert(
      fc.property(braces, (text) => {
        expect(fillPlaceholders(literally(text), values)).toBe(text);
        expect(placeholdersIn(literally(text))).toEqual([]);
      }),
    );
  });

  test('says which name was meant, or how to write the text itself', () => {
    expect(insteadOfPlaceholder('PROT')).toBe('{PORT}');
    expect(insteadOfPlaceholder('HOSTNAME')).toBe('{HOST}');
    expect(insteadOfPlaceholder('BANANA')).toBe('{{BANANA}}');
  });

  test('a process that is no instance gets no variable that needs a port', () => {
    const variables = {
      VEZA_DATA: '/d/{{X}}',
      STORE: '{DATA}/s',
      URL: 'http://{HOST}:{PORT}/',
      AT: '{HOST}',
      KEY: '{{PORT}}',
    };
    expect(withoutPort(variables)).toEqual({ VEZA_DATA: '/d/{X}', STORE: '/d/{X}/s', KEY: '{PORT}' });
  });
});
