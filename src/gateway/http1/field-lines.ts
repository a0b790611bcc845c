/**
 * Takes a field section apart that a parser has found to be right, empty line included.
 *
 * @returns `headers`: name as sent, value without the white space around it, name, value ...; `names`: those in lower case
 */
export function splitFields(section: string): { readonly headers: string[]; readonly names: string[] } {
  const headers: string[] = [];
  const names: string[] = [];
  for (let at = 0; ;) {
    const end = section.indexOf('\r\n', at);
    if (end <= at) return { headers, names };
    const colon = section.indexOf(':', at);
    const name = section.slice(at, colon);
    // Not `trim`: that takes more away than space and tab.
    headers.push(name, section.slice(colon + 1, end).replaceAll(/^[ \t]+|[ \t]+$/g, ''));
    names.push(name.toLowerCase());
    at = end + 2;
  }
}
