import { fillScope, type ScopeValues } from '../placeholders.ts';

/** A value for which there is no safe way to write it where it should stand. */
export class UnsafePlaceError extends Error {
  override readonly name = 'UnsafePlaceError';
}

/**
 * Fills in a query. Within quotes a value stays a value, whatever it is: what could end the text or escape something is written as an escape
 * of its own (https://prometheus.io/docs/prometheus/latest/querying/basics/#string-literals). Elsewhere, as in the name of a metric, and
 * between backticks, which know no escapes, only letters, digits and underscores are filled in.
 *
 * @throws UnsafePlaceError for a value that would be more than a value
 */
export function fillQuery(query: string, values: ScopeValues): string {
  const quotes = quotesOf(query);
  return fillScope(query, values, (value, index) => {
    const quote = quotes[index];
    if (quote === '"' || quote === "'") return value.replaceAll(/[^\w.:/ -]/gu, escaped);
    if (/^\w+$/.test(value)) return value;
    throw new UnsafePlaceError(`“${value}” must stand between double quotes in ${query}`);
  });
}

const escaped = (char: string): string => {
  const code = char.codePointAt(0) ?? 0;
  return code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
};

/** For each index the quote that it stands between; undefined outside of all. */
function quotesOf(query: string): readonly (string | undefined)[] {
  const quotes: (string | undefined)[] = [];
  let quote: string | undefined;
  for (let index = 0; index < query.length; index += 1) {
    const char = query.charAt(index);
    quotes[index] = quote;
    if (quote === undefined) {
      if (char === '"' || char === "'" || char === '`') quote = char;
      else if (char === '#') {
        // A comment ends with its line, whatever quotes are in it.
        const end = query.indexOf('\n', index);
        index = end === -1 ? query.length : end;
      }
    } else if (char === '\\' && quote !== '`') index += 1;
    else if (char === quote) quote = undefined;
  }
  return quotes;
}
