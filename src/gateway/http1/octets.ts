// Which octets may stand where in a message of HTTP/1.1 (RFC 9110, 5.6.2 and 5.5; RFC 9112, 3).

export const TAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const COLON = 0x3a;

/** A table with a 1 at each octet that `belongs`. */
function table(belongs: (octet: number) => boolean): Uint8Array {
  const octets = new Uint8Array(256);
  for (let octet = 0; octet < 256; octet += 1) if (belongs(octet)) octets[octet] = 1;
  return octets;
}

const among =
  (text: string) =>
  (octet: number): boolean =>
    text.includes(String.fromCharCode(octet));

const letters = 'abcdefghijklmnopqrstuvwxyz';
const digits = '0123456789';

/** tchar: names of fields, tokens in values. */
export const tokenOctets = table(among(`!#$%&'*+-.^_\`|~${digits}${letters}${letters.toUpperCase()}`));

/**
 * Methods: a token of upper-case letters, digits, `-` and `_`. Stricter than RFC 9110, 9.1: every registered method is of
 * this form, methods are case-sensitive, and a `get` that one program takes for GET and the next one does not is ambiguous.
 */
export const methodOctets = table(among(`-_${digits}${letters.toUpperCase()}`));

/**
 * Request targets: visible ASCII without `#`. Wider than RFC 3986, because browsers send `|`, `"` and `{` as they are; but
 * nothing that could end the target early, and no fragment.
 */
export const targetOctets = table((octet) => octet > 0x20 && octet < 0x7f && octet !== 0x23);

/** Values of fields and reason phrases: visible ASCII, space, tab, obs-text (0x80 to 0xff, read as latin1). */
export const valueOctets = table((octet) => octet === TAB || (octet >= 0x20 && octet !== 0x7f));

/** Names of hosts, without the brackets of IPv6: letters, digits, `-`, `.` and the `_` of some internal names. */
export const hostOctets = table(among(`-._${digits}${letters}${letters.toUpperCase()}`));

const every = (text: string, octets: Uint8Array): boolean => {
  for (let i = 0; i < text.length; i += 1) if (octets[text.charCodeAt(i)] !== 1) return false;
  return true;
};

export const isToken = (text: string): boolean => text !== '' && every(text, tokenOctets);

/** Whether a value can be written into a head without changing how it is read. */
export const isFieldValue = (text: string): boolean => every(text, valueOctets);
