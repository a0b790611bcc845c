// What a browser may play. Anything else that somebody has uploaded is handed out as a file to keep, never to be shown.
const PLAYABLE: ReadonlySet<string> = new Set([
  'audio/mpeg',
  'audio/wav',
  'audio/ogg',
  'audio/flac',
  'audio/mp4',
  'audio/aac',
  'audio/webm',
]);

/** Headers that say what the content is, and keep a browser from taking it for anything else. */
export function contentHeaders(contentType: string): Readonly<Record<string, string>> {
  const essence = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const playable = PLAYABLE.has(essence);
  return {
    'content-type': playable ? essence : 'application/octet-stream',
    'content-disposition': playable ? 'inline' : 'attachment',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
  };
}
