/** Segments of a path that are only there for one person, or let somebody act as one, by what they look like. */
const shapes: readonly (readonly [RegExp, string])[] = [
  // Addresses of mail, the @ encoded or not, and what stands before one in `/~name@host`.
  [/[^/]*(?:@|%40)[^/]*/gi, ':email'],
  [/(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])/gi, ':uuid'],
  // JSON Web Tokens and their like: base64url in two or more parts.
  [/[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, ':token'],
  // IPv4 and IPv6 addresses.
  [/(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])/g, ':address'],
  [/(?<![0-9a-f:])(?:[0-9a-f]{0,4}(?::|%3a)){2,7}[0-9a-f]{0,4}(?![0-9a-f:])/gi, ':address'],
  // What is no word: twenty characters and more in one, or twelve in which letters and digits are mixed.
  [/[A-Za-z0-9_~%-]{20,}/g, ':token'],
  [/(?=[0-9]*[A-Za-z])(?=(?:[A-Za-z]*[0-9]){3})[A-Za-z0-9]{12,}/g, ':token'],
  // Numbers of telephones, accounts, orders: six digits and more, whatever stands between them.
  [/\+?[0-9](?:[-. ()]{0,2}|%20|%2b|\+)(?:[0-9](?:[-. ()]|%20|\+)?){4,}[0-9]/gi, ':number'],
];

/** Words and years with hyphens between them, as titles are in addresses. */
const word = /^(?:[A-Za-z][a-z]{0,18}|[0-9]{1,4})(?:[-_~](?:[A-Za-z][a-z]{0,18}|[0-9]{1,4}))*$/;

/** Longest path that is kept; what is longer was made by a program, for one request. */
const longest = 512;

/**
 * A path that may be kept: without query and fragment, and with what looks as if it belonged to one person replaced by a
 * word for it. The prefix of the route is the platform's own and stays as it is.
 *
 * A name that looks like any other word (`/users/anna`) cannot be told from one: docs/edge.md says so.
 *
 * @param path request target, with or without query
 * @param routePrefixes path prefixes of the route that took the request
 */
export function withoutPersonalData(path: string, routePrefixes: readonly string[] = []): string {
  const end = path.search(/[?#]/);
  const bare = end === -1 ? path : path.slice(0, end);
  let kept = '';
  for (const prefix of routePrefixes) {
    const text = prefix.replace(/\/+$/, '');
    if (
      text.length > kept.length &&
      bare.startsWith(text) &&
      (bare.length === text.length || bare[text.length] === '/')
    )
      kept = text;
  }
  let rest = bare.slice(kept.length);
  if (rest.length > longest) rest = `${rest.slice(0, longest)}…`;
  return kept + rest.split('/').map(segmentWithout).join('/');
}

function segmentWithout(segment: string): string {
  if (segment.length < 6 && !/[@:]|%40|%3a/i.test(segment)) return segment;
  // What is encoded may hide anything; ordinary words need no encoding.
  const plain = decodedOnce(segment);
  // Anything that is no visible ASCII stays out of the log: names of people have more letters than that.
  if (!/^[!-~]*$/.test(plain)) return ':text';
  let text = plain;
  for (const [shape, name] of shapes) {
    text = text.replaceAll(shape, (found) => (name === ':token' && word.test(found) ? found : name));
  }
  return text;
}

function decodedOnce(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    // Twice: what an application encoded, and what a client encoded again.
    return decodeURIComponent(decodeURIComponent(segment));
  } catch {
    return ':text';
  }
}
