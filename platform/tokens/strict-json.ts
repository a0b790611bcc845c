const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LEXEME = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g;

/**
 * Reads a JSON object more strictly than `JSON.parse`: UTF-8 without faults or mark, and no member twice, at any depth. Two readers
 * of `{"iss":"a","iss":"b"}` may believe different ones (RFC 8725 section 2.4; RFC 7515 section 4 allows to refuse).
 *
 * @returns null when it is anything else
 */
export function parseJsonObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const text = decoder.decode(bytes);
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    return hasMemberTwice(text) ? null : (value as Record<string, unknown>);
  } catch {
    return null;
  }
}

/** Of a text that `JSON.parse` has accepted. */
function hasMemberTwice(text: string): boolean {
  const open: Set<string>[] = [];
  let previous = '';
  for (const [lexeme] of text.matchAll(LEXEME)) {
    if (lexeme === '{' || lexeme === '[') open.push(new Set());
    else if (lexeme === '}' || lexeme === ']') open.pop();
    else if (lexeme === ':') {
      const member = JSON.parse(previous) as string;
      const members = open.at(-1);
      if (members?.has(member) === true) return true;
      members?.add(member);
    }
    previous = lexeme;
  }
  return false;
}
