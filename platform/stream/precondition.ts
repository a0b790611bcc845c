/** The headers of a request that make it depend on the version of what it asks for. */
export interface Conditions {
  readonly 'if-match'?: string | undefined;
  readonly 'if-none-match'?: string | undefined;
  readonly 'if-range'?: string | undefined;
}

/**
 * What the conditions of a GET or HEAD come to (RFC 9110, section 13.2.2). Nothing here has a date of its last change, so the
 * conditions with dates do not apply.
 *
 * @param etag of the content, strong, without quotes
 */
export function evaluate(headers: Conditions, etag: string): 'go-on' | 'not-modified' | 'failed' {
  const match = headers['if-match'];
  if (match !== undefined && !lists(match, etag, false)) return 'failed';
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined && lists(noneMatch, etag, true)) return 'not-modified';
  return 'go-on';
}

/** Whether a Range header counts: it does without If-Range, or when that names this very version (strong comparison). */
export function rangeCounts({ 'if-range': ifRange }: Conditions, etag: string): boolean {
  return ifRange === undefined || ifRange.trim() === `"${etag}"`;
}

function lists(header: string, etag: string, weakly: boolean): boolean {
  if (header.trim() === '*') return true;
  // An entity tag cannot have a quote within, but may have a comma.
  for (const [, weak, tag] of header.matchAll(/(W\/)?"([^"]*)"/g)) {
    if (tag === etag && (weakly || weak === undefined)) return true;
  }
  return false;
}
