import fc from 'fast-check';

/** What an attacker, an editor or a broken program may have put into a text. */
const PIECES = [
  '<script>alert(1)</script>',
  '</script><script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onload='alert(1)",
  '</style><style>*{display:none}',
  '<!-- ',
  '-->',
  '</title>',
  '</svg>',
  ']]>',
  '&lt;b&gt;',
  '&#x3c;',
  '${process.exit(1)}',
  '`',
  'javascript:alert(1)',
  'http://evil.example/x.png',
  '\u0000',
  '\u202E',
  '\u2028',
  '\uD800',
  '\n\n',
  '$&',
  '$1',
  'a'.repeat(400),
] as const;

export const hostileText = (): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: 'binary', maxLength: 20 })), {
      minLength: 1,
      maxLength: 5,
    })
    .map((parts) => parts.join(''));
