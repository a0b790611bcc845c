/** Markup that may stand in a page as it is. Only `markup` makes it. */
export class Markup {
  readonly #text: string;

  /** @param text trusted: written here, never from outside */
  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

export type Content = string | number | Markup | null | false | readonly Content[];

/** A page's markup: every value that is put in is text, unless `markup` made it. How a template is indented does not matter. */
export function markup(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  const lines = (part: string): string => part.replaceAll(/\n\s*/g, '\n');
  return new Markup(parts.reduce((text, part, index) => text + render(values[index - 1] ?? null) + lines(part), ''));
}

function render(content: Content): string {
  if (content === null || content === false) return '';
  if (content instanceof Markup) return content.toString();
  if (typeof content === 'object') return content.map(render).join('');
  return escaped(String(content));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

/**
 * Text as it may stand between tags and in quoted attributes. What is no character of HTML, and what turns the direction of text around
 * (Trojan Source, CVE-2021-42574), is shown by its number.
 */
export const escaped = (text: string): string =>
  text
    .replaceAll(UNSHOWN, (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`)
    .replaceAll(/[&<>"'`]/g, (character) => ENTITIES[character] ?? '');

const UNSHOWN =
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069\uFFFE\uFFFF]|\p{Surrogate}/gu;

/** JSON that may stand in a `script` element: nothing in it ends the element or begins a comment. */
export const jsonMarkup = (value: unknown): Markup =>
  new Markup(JSON.stringify(value).replaceAll('<', '\\u003c').replaceAll('>', '\\u003e').replaceAll('&', '\\u0026'));
