import { createHmac, timingSafeEqual } from 'node:crypto';

/** Keys that signed URLs are made and checked with: MEDIA_KEY. */
export interface MediaKeys {
  readonly signing: string;
  /** With the signing one. Two while a key is being replaced. */
  readonly accepted: readonly string[];
}

/**
 * Reads MEDIA_KEY: one text of at least 32 characters, or two with a comma between. The first signs, both are accepted. To
 * replace a key without refusing a URL that is out: `old,new` everywhere, then `new,old` everywhere, then `new` alone
 * once the last URL of the old one has expired.
 *
 * @throws TypeError, which never repeats the text
 */
export function parseMediaKeys(text: string): MediaKeys {
  const accepted = text.split(',');
  const [signing] = accepted;
  if (signing === undefined || accepted.length > 2 || accepted.some((key) => key.length < 32)) {
    throw new TypeError('MEDIA_KEY is a text of at least 32 characters, or two such texts with a comma between');
  }
  return { signing, accepted };
}

/** Path of the audio itself. */
export function audioPath(objectKey: string): string {
  return `/media/v1/audio/${encodeURIComponent(objectKey)}`;
}

/** Path of the HLS playlist. */
export function playlistPath(objectKey: string): string {
  return `/media/v1/hls/${encodeURIComponent(objectKey)}/index.m3u8`;
}

/** Path of one segment, which the playlist names. */
export function segmentPath(objectKey: string, index: number): string {
  return `/media/v1/hls/${encodeURIComponent(objectKey)}/${index}.mp3`;
}

/**
 * The path with what proves that it was handed out: `?expires=<seconds since 1970>&sig=<base64url>`. Worth nothing for
 * another path, and nothing from `expiresAtSeconds` on.
 */
export function signPath(keys: MediaKeys, path: string, expiresAtSeconds: number): string {
  const expires = Math.floor(expiresAtSeconds);
  return `${path}?expires=${expires}&sig=${signature(keys.signing, path, expires).toString('base64url')}`;
}

/** `valid` alone lets somebody in. */
export type SignatureVerdict = 'valid' | 'expired' | 'forged';

/**
 * @param path as the path functions above write it: from the decoded key, never the request's own spelling
 * @param query its `expires` and `sig`, whatever they are
 */
export function verifySignature(
  keys: MediaKeys,
  path: string,
  query: { readonly expires?: unknown; readonly sig?: unknown },
  nowMs: number,
): SignatureVerdict {
  const { expires, sig } = query;
  if (typeof expires !== 'string' || !/^[1-9]\d{0,11}$/.test(expires)) return 'forged';
  if (typeof sig !== 'string' || !/^[\w-]{43}$/.test(sig)) return 'forged';
  const given = Buffer.from(sig, 'base64url');
  // 43 characters carry two bits more than 32 bytes: only one spelling is ours.
  if (given.toString('base64url') !== sig) return 'forged';
  // Every key is tried, so that the time taken does not tell which one it was.
  let known = false;
  for (const key of keys.accepted) {
    if (timingSafeEqual(signature(key, path, Number(expires)), given)) known = true;
  }
  if (!known) return 'forged';
  return nowMs < Number(expires) * 1000 ? 'valid' : 'expired';
}

// A line break cannot be in a path: without it `/a` at 12 would be `/a1` at 2.
function signature(key: string, path: string, expires: number): Buffer {
  return createHmac('sha256', key).update(`${path}\n${expires}`).digest();
}
