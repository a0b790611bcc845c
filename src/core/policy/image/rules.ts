import { TOKEN_FORMATS, URL_LOGIN } from './secret-patterns.ts';

// Every rule that an image is checked by. The guide's immutable rules are cited by their number, everything else by its section.

export interface ImageRule {
  /** In one sentence: what must hold. */
  readonly asks: string;
  /** Of the deployment guide. */
  readonly guide: string;
  /** What to do when it does not hold. */
  readonly next: string;
}

const rule = (asks: string, guide: string, next: string): ImageRule => ({ asks, guide, next });

export const IMAGE_RULES = {
  'root-user': rule(
    'The image runs as a numeric uid of 1000 or more.',
    '3.1',
    'Set the user to `10001:10001`; a name says nothing, because a later /etc/passwd can make it root.',
  ),
  'root-group': rule('The image does not run with group 0.', '3.1', 'Set the user to `10001:10001`.'),
  'floating-reference': rule(
    'Image and bases are named by digest.',
    'rule 2',
    'Write the digest behind the name; `docker buildx imagetools inspect NAME` or the registry tells it.',
  ),
  secret: rule(
    'No layer, variable, label or command of the history holds a secret.',
    'rule 6',
    'Take it out of the build and replace it: whoever has the image has read it. Then declare it with `secret(NAME)`.',
  ),
  'secret-suspected': rule(
    'Nothing looks like a secret.',
    'rule 6',
    'Look at it; take it out when it is one, and declare it with `secret(NAME)`.',
  ),
  'machine-learning': rule(
    'No framework and no model of machine learning is in any layer.',
    '14.3',
    'Remove the dependency; deleting it in a later layer leaves it in the image.',
  ),
  licence: rule(
    'No package that becomes part of the service has a denied licence.',
    '5.1',
    'Replace the package, or record an exception with its reason and an end.',
  ),
  'licence-unknown': rule(
    'Every package has a licence that is allowed.',
    '5.1',
    'Read its licence, then allow it or record an exception.',
  ),
  vulnerability: rule(
    'No package has a known vulnerability of the severity that is refused.',
    '5.1',
    'Take the version that mends it, or record an exception with its reason and an end.',
  ),
  'vulnerability-minor': rule(
    'Less severe vulnerabilities are known.',
    '5.1',
    'Take the version that mends it with the next release.',
  ),
  'not-checked': rule(
    'Vulnerabilities were looked up.',
    '5.1',
    'Give a folder with OSV data, or let the machine reach the OSV API.',
  ),
  setuid: rule(
    'No file gives its caller the rights of its owner.',
    '3.1',
    'Remove the setuid and setgid bits in the layer that adds the file.',
  ),
  'world-writable': rule(
    'Nothing but sticky folders may be changed by everybody.',
    '3.1',
    'Take the right to write away from others in the layer that adds it.',
  ),
  'changeable-code': rule(
    'The service cannot change what is under /app.',
    'rule 2',
    'Let root own it, with 0444 for files and 0555 for folders and programs.',
  ),
  shell: rule('The image needs no shell.', '3.1', 'Use a base without one; a service runs by its own program.'),
  labels: rule(
    'Labels say where the image comes from.',
    '5.1',
    'Build it with `veza build`, which writes them, or add the labels of the OCI image specification.',
  ),
  unread: rule(
    'Everything in the image can be looked into.',
    '14.1',
    'Unpack it in the build, or leave it out; what cannot be read cannot pass.',
  ),
  'exception-expired': rule(
    'Exceptions have not run out.',
    '5.1',
    'Mend what it excuses, or have somebody decide anew with another end.',
  ),
  'exception-unused': rule('Every exception excuses something.', '5.1', 'Take it out of the declaration.'),
} as const satisfies Readonly<Record<string, ImageRule>>;

export type ImageRuleName = keyof typeof IMAGE_RULES;

/** One thing that a rule has to say about an image. A secret's value is never in it. */
export interface Finding {
  readonly rule: ImageRuleName;
  readonly severity: 'refuse' | 'warn';
  /** A path with its layer, a field of the configuration, or a package. */
  readonly where: string;
  readonly found: string;
  readonly why: string;
  readonly next: string;
}

/** A finding with the words of its rule. */
export function finding(
  rule: ImageRuleName,
  severity: Finding['severity'],
  where: string,
  found: string,
  next: string = IMAGE_RULES[rule].next,
): Finding {
  const { asks, guide } = IMAGE_RULES[rule];
  return { rule, severity, where: printable(where), found: printable(found), why: `${asks} (guide ${guide})`, next };
}

/** Names in an image are chosen by whoever made it: no secret, nothing that a terminal would obey or that runs over pages gets through. */
function printable(text: string): string {
  let masked = text.replace(URL_LOGIN, '$1://[secret]@$4');
  for (const { pattern } of TOKEN_FORMATS) masked = masked.replace(pattern, '[secret]');
  const plain = masked.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '?');
  return plain.length <= MOST ? plain : `${plain.slice(0, MOST)}…`;
}

const MOST = 300;
