// Takes out of log lines what is nobody's business: they are copied into explanations, reports and post-mortems. It errs on the side of taking
// out too much, and it is no proof: a program that logs what it must not is to be mended.

export interface Redaction {
  /** Values that are known to be secret, whatever they look like. */
  readonly secrets: readonly string[];
  /** Identifiers that stay: of traces and requests that the line is shown for. */
  readonly keep: ReadonlySet<string>;
}

/** Shorter values are in every other word. */
const SHORTEST_SECRET = 4;
/** Of a line, before anything is looked for in it: bounds what a line can cost. */
const MOST_CHARACTERS = 8_000;

/**
 * A line without e-mail addresses, tokens, long hexadecimal or base64, the last parts of addresses of machines, numbers of cards, values of
 * what is called a password or the like, and known secrets; nor anything that a terminal would obey.
 *
 * @param text one line; what is beyond 8,000 characters is left out
 */
export function redact(text: string, { secrets, keep }: Redaction): string {
  let line = plain(text.slice(0, MOST_CHARACTERS));
  for (const secret of bySize(secrets)) line = line.replaceAll(secret, '[secret]');
  const unlessKept =
    (name: string) =>
    (found: string): string =>
      keep.has(found) || keep.has(found.toLowerCase()) ? found : name;
  return line
    .replace(URL_LOGIN, '$1[secret]@')
    .replace(NAMED_QUOTED, '$1$2[secret]$2')
    .replace(COOKIE, '$1[secret]')
    .replace(NAMED, '$1[secret]')
    .replace(SCHEME_TOKEN, '$1 [token]')
    .replace(JWT, '[token]')
    .replace(KNOWN_TOKEN, '[token]')
    .replace(EMAIL, '[e-mail]')
    .replace(UUID, unlessKept('[uuid]'))
    .replace(HEX, unlessKept('[hex]'))
    .replace(CARD, (found) => (isCard(found) ? '[card]' : found))
    .replace(BASE64, (found) => (!keep.has(found) && isScattered(found) ? '[token]' : found))
    .replace(IPV6, maskIpv6)
    .replace(IPV4, (found, first: string, second: string) =>
      first === '127' || found === '0.0.0.0' ? found : `${first}.${second}.x.x`,
    );
}

/** Longest first, so that one within another leaves nothing behind; as they are in a URL and in JSON, too. */
function bySize(secrets: readonly string[]): readonly string[] {
  const forms = secrets
    .filter((secret) => secret.trim().length >= SHORTEST_SECRET)
    .flatMap((secret) => [secret, secret.trim(), encoded(secret), JSON.stringify(secret).slice(1, -1)])
    .map(plain);
  return [...new Set(forms)].filter((form) => form !== '').sort((a, b) => b.length - a.length);
}

function encoded(secret: string): string {
  try {
    return encodeURIComponent(secret);
  } catch {
    // Half of a pair of surrogates: no URL can hold it.
    return secret;
  }
}

/** Without escape sequences (ECMA-48) and other control characters, and those that turn the direction of writing. */
const plain = (text: string): string =>
  text
    // oxlint-disable-next-line no-control-regex -- it is about control characters
    .replace(/\u001B(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001B]*(?:\u0007|\u001B\\)?|[@-Z\\-_])/g, '')
    .replace(/\t/g, ' ')
    .replace(/[\p{Cc}\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu, '');

const NAME = String.raw`(?:[\w.-]*(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|credentials?|api[-_]?key|(?:private|access|signing|session|encryption)[-_]?key|authorization|auth|session(?:[-_]?id)?|otp|pin|cvc|cvv|iban|ssn))`;
const URL_LOGIN = /([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/@"']*@/gi;
const SCHEME_TOKEN = /\b(bearer|basic|digest|negotiate)\s+(?=[\w.~+/=-]*[\d=+/])[\w.~+/=-]{6,}/gi;
const COOKIE = /\b((?:set-)?cookie["']?\s*[:=]\s*)[^\r\n]*/gi;
const NAMED_QUOTED = new RegExp(String.raw`(\b${NAME}\\?["']?\s*[:=]\s*)(\\?["'])(?:(?!\2)[^\r\n])*(?:\2|$)`, 'gi');
const NAMED = new RegExp(
  String.raw`(\b${NAME}["']?\s*[:=]\s*)(?!\[secret\]|\\?["'])(?:(?:bearer|basic)\s+)?[^\s"',;&)}\]]+`,
  'gi',
);
const JWT = /\beyJ[\w-]{5,}(?:\.[\w-]*){1,4}/g;
const KNOWN_TOKEN =
  /\b(?:(?:sk|pk|rk|whsec)_(?:live_|test_)?\w{8,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{8,}|(?:AKIA|ASIA)[0-9A-Z]{12,}|sk-[\w-]{16,}|AIza[\w-]{20,}|npm_\w{16,})/g;
const EMAIL =
  /(?:[\p{L}\p{N}.!#$%'*+^_`|~-]{1,80}|(?<!\]))@[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63})*\.\p{L}{2,63}/gu;
const UUID = /(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])/gi;
const HEX = /(?<![0-9a-zA-Z])(?:0x)?[0-9a-f]{24,}(?![0-9a-zA-Z])/gi;
const CARD = /(?<![\d.])[2-6](?:[ -]?\d){12,18}(?![\d.]*\d)/g;
const BASE64 = /[A-Za-z0-9+/_-]{28,}={0,2}/g;
const IPV4 =
  /(?<![\d.])(25[0-5]|2[0-4]\d|1?\d?\d)\.(25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){2}(?!\.?\d)/g;
const IPV6 =
  /(?<![\w:.])(?=[0-9a-f:]*:[0-9a-f:]*:)(?:[0-9a-f:]{1,30}:(?:\d{1,3}\.){3}\d{1,3}|[0-9a-f:]{2,39})(?![\w:])/gi;

/** Eight groups, or fewer with `::` once; a time of day has neither. The first two groups stay: the provider, not the house. */
function maskIpv6(found: string): string {
  if (found === '::' || found === '::1') return found;
  const groups = found.split(':').filter((group) => group !== '');
  const isShort = found.includes('::') && groups.length < 8;
  if ((!isShort && groups.length < 7) || groups.some((group) => group.length > 4 && !group.includes('.'))) return found;
  return found.startsWith('::') ? '::x' : `${groups.slice(0, 2).join(':')}:x`;
}

/** ISO/IEC 7812-1, annex B. */
function isCard(found: string): boolean {
  const digits = found.replace(/\D/g, '').split('').map(Number);
  const sum = digits.reduceRight((total, digit, index) => {
    const isDoubled = (digits.length - index) % 2 === 0;
    const value = isDoubled ? 2 * digit : digit;
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return digits.length <= 19 && sum % 10 === 0;
}

/** Bytes in base64 change between small, capital and digit at every other character; words and paths do not. */
function isScattered(text: string): boolean {
  let [changes, before] = [0, ''];
  for (const character of text) {
    const now = classOf(character);
    if (now === '') continue;
    if (before !== '' && now !== before) changes += 1;
    before = now;
  }
  return changes >= 0.3 * text.length;
}

function classOf(character: string): string {
  if (character >= 'a' && character <= 'z') return 'small';
  if (character >= 'A' && character <= 'Z') return 'capital';
  return character >= '0' && character <= '9' ? 'digit' : '';
}
