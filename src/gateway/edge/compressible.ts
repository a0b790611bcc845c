const known = new Map<string, boolean>();
const mostKnown = 256;

const types =
  /^(?:text\/(?!event-stream)[^;]+|application\/(?:json|javascript|x-javascript|ecmascript|xml|wasm|graphql|x-ndjson|jsonl|yaml|toml|sql|rtf|x-sh|manifest\+json|vnd\.ms-fontobject|[^;]+\+(?:json|xml|yaml|text))|image\/(?:svg\+xml|bmp|x-icon|vnd\.microsoft\.icon)|font\/(?:ttf|otf|collection)|multipart\/(?:form-data|mixed))$/;

/** Whether bodies of a type get smaller: texts and what is made like them, not pictures, films, archives and event streams. */
export function isCompressible(contentType: string): boolean {
  const found = known.get(contentType);
  if (found !== undefined) return found;
  const end = contentType.indexOf(';');
  const type = (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
  const compressible = types.test(type);
  if (known.size >= mostKnown) known.clear();
  if (contentType.length <= 200) known.set(contentType, compressible);
  return compressible;
}
