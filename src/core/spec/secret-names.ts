const SECRET_WORDS = new Set([
  'password',
  'passwd',
  'passphrase',
  'pwd',
  'secret',
  'secrets',
  'token',
  'credential',
  'credentials',
  'apikey',
  'privatekey',
]);

/** `KEY` alone may be a cache key; behind one of these words it opens something. */
const KEY_OWNERS = new Set([
  'api',
  'private',
  'access',
  'secret',
  'signing',
  'encryption',
  'jwt',
  'session',
  'cookie',
  'master',
  'service',
  'auth',
]);

/**
 * Whether the name of a variable says that its value is a secret. The last words decide: `DB_PASSWORD` and
 * `STRIPE_API_KEY` are, `TOKEN_TTL`, `PASSWORD_MIN_LENGTH` and `SECRETS_DIR` are not.
 */
export function looksSecret(variable: string): boolean {
  const words = variable
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[_-]+/)
    .filter((word) => word !== '');
  const last = words.at(-1);
  const before = words.at(-2);
  if (last === undefined) return false;
  if (SECRET_WORDS.has(last)) return variable !== 'PWD';
  return (last === 'key' || last === 'keys') && before !== undefined && KEY_OWNERS.has(before);
}

/** Whether a literal value is a secret by its form: a URL with a password in it, or a private key. */
export function holdsSecret(value: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:[^/\s@]+@/i.test(value) || /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(value);
}
