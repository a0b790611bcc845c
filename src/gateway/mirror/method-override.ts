/** `x-http-method-override`, `x-http-method`, `x-method-override`, with `_` for `-` as CGI has it. */
const header = /^x[-_](?:http[-_])?method(?:[-_]override)?$/;
/** `_method=delete`, as web frameworks take it from forms and some from queries; a name may be percent-encoded. */
const parameter = /[?&;](?:_|%5f)(?:m|%6d)(?:e|%65)(?:t|%74)(?:h|%68)(?:o|%6f)(?:d|%64)(?:=|%3d)/i;

/**
 * Whether a request asks to be taken for one of another method. What programs make of that differs; a request that does is
 * no safe one.
 *
 * @param names of its headers, in lower case
 * @param target with query
 */
export function overridesMethod(names: readonly string[], target: string): boolean {
  for (const name of names) if (name.charCodeAt(0) === letterX && header.test(name)) return true;
  return target.includes('?') && parameter.test(target);
}

const letterX = 0x78;
