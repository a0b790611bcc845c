/** What a statement does, in a few words: for spans, and to tell what may be sent where. */
export interface StatementSummary {
  /** its first word, such as `select` */
  readonly operation: string;
  /** the first table named, when that is easy to see */
  readonly table: string | null;
}

const known = new Map<string, StatementSummary>();
const KNOWN_AT_MOST = 1000;

/** Summarises a statement without any of its values. */
export function summarise(sql: string): StatementSummary {
  const seen = known.get(sql);
  if (seen !== undefined) return seen;
  const operation = /^\s*([a-z]+)/i.exec(sql)?.[1]?.toLowerCase() ?? 'other';
  const table = /\b(?:from|into|update|join)\s+(?:"?\w+"?\.)?"?([a-z_]\w*)"?/i.exec(sql)?.[1]?.toLowerCase() ?? null;
  const summary = { operation, table };
  if (known.size < KNOWN_AT_MOST) known.set(sql, summary);
  return summary;
}

const WRITES = new Set(['insert', 'update', 'delete', 'merge', 'truncate', 'create', 'alter', 'drop', 'copy']);

/** Whether a statement writes, by its first word; a `with` that writes is refused by a replica itself. */
export const writes = ({ operation }: StatementSummary): boolean => WRITES.has(operation);

/**
 * Names for the statements that come again, so that PostgreSQL parses and plans each once per connection. Bounded: statements
 * made up as they come (`in ($1, $2, …)` of every length) must not fill the server's memory.
 */
export class StatementNames {
  readonly #names = new Map<string, string | null>();
  readonly #most: number;

  constructor(most = 250) {
    this.#most = most;
  }

  /** Its name from its second time on, or null. */
  of(sql: string): string | null {
    const name = this.#names.get(sql);
    if (name !== undefined) {
      if (name !== null) return name;
      const given = `s${this.#names.size}_${hash(sql)}`;
      this.#names.set(sql, given);
      return given;
    }
    if (this.#names.size < this.#most) this.#names.set(sql, null);
    return null;
  }
}

/** FNV-1a: names only have to differ, and a name of a map's size and this does. */
function hash(text: string): string {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return (value >>> 0).toString(36);
}
