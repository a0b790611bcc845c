const prefix = '/.well-known/acme-challenge/';

/**
 * What the gateway answers on its plain listener to prove to an authority that it has the host (RFC 8555, 8.3).
 *
 * @param path as sent, without query
 * @param answers key authorizations by token
 * @returns null when the path is no challenge's or nobody waits for it: the request goes its usual way
 */
export function challengeAnswer(path: string, answers: Readonly<Record<string, string>>): string | null {
  if (!path.startsWith(prefix)) return null;
  const token = path.slice(prefix.length);
  // Base64url and nothing else; also keeps `__proto__` and the like from being looked up.
  if (!/^[A-Za-z0-9_-]{8,}$/.test(token) || !Object.hasOwn(answers, token)) return null;
  return answers[token] ?? null;
}
