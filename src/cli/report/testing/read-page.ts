export interface Tag {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
}

const VOID = new Set(['meta', 'br', 'img', 'link', 'input']);
const RAW = new Set(['style', 'script', 'title']);

/**
 * Reads a page as strictly as it was written: every tag is closed, attributes are quoted, no `<` stands in a text.
 *
 * @throws Error at the first thing that is not so
 */
export function readPage(page: string): { readonly tags: readonly Tag[]; readonly text: string } {
  const tags: Tag[] = [];
  const open: string[] = [];
  let text = '';
  let at = '<!doctype html>'.length;
  if (!page.startsWith('<!doctype html>')) throw new Error('no doctype');
  while (at < page.length) {
    const next = page.indexOf('<', at);
    text += next === -1 ? page.slice(at) : page.slice(at, next);
    if (next === -1) break;
    const closing = /^<\/([\w]+)>/.exec(page.slice(next, next + 60));
    if (closing !== null) {
      if (open.pop() !== closing[1]) throw new Error(`</${closing[1] ?? ''}> closes nothing at ${next}`);
      at = next + closing[0].length;
      continue;
    }
    const opening = /^<([\w]+)((?:\s+[\w-]+(?:="[^"<>]*")?)*)\s*(\/?)>/.exec(page.slice(next));
    if (opening === null) throw new Error(`no tag at ${next}: ${page.slice(next, next + 80)}`);
    const [whole, name = '', attributes = '', selfClosed] = opening;
    tags.push({
      name,
      attributes: new Map(
        [...attributes.matchAll(/([\w-]+)(?:="([^"]*)")?/g)].map(([, key = '', value = '']) => [key, value]),
      ),
    });
    at = next + whole.length;
    if (selfClosed === '/' || VOID.has(name)) continue;
    if (!RAW.has(name) || (name === 'title' && open.includes('svg'))) {
      open.push(name);
      continue;
    }
    const end = page.indexOf(`</${name}>`, at);
    if (end === -1) throw new Error(`<${name}> is not closed`);
    at = end + name.length + 3;
  }
  if (open.length > 0) throw new Error(`not closed: ${open.join(', ')}`);
  return { tags, text };
}
