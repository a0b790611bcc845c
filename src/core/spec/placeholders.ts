import { nearest } from './nearest.ts';

/** What a runtime fills in when it starts an instance, where `run` and `environment` say so: `{PORT}`. */
export const PLACEHOLDERS = ['PORT', 'HOST', 'DATA', 'METRICS_PORT'] as const;
export type Placeholder = (typeof PLACEHOLDERS)[number];

// Only a name in capitals between braces means something, so that JSON and templates of other programs need no escaping.
const ESCAPED_OR_NAME = /\{\{([A-Z][A-Z0-9_]*)\}\}|\{([A-Z][A-Z0-9_]*)\}/g;

/** Puts values where their names stand. `{{PORT}}` becomes the text `{PORT}`; every other brace stays as it is. */
export function fillPlaceholders(text: string, values: Readonly<Partial<Record<string, string>>>): string {
  return text.replaceAll(ESCAPED_OR_NAME, (whole, escaped: string | undefined, name: string | undefined) =>
    escaped !== undefined ? `{${escaped}}` : (values[name ?? ''] ?? whole),
  );
}

/** The text that {@link fillPlaceholders} turns into this one: for secrets and addresses, which are taken as they are. */
export const literally = (text: string): string =>
  text.replaceAll(/\{[A-Z][A-Z0-9_]*\}/g, (placeholder) => `{${placeholder}}`);

/** Names between braces, in order: what must be one of {@link PLACEHOLDERS}. */
export const placeholdersIn = (text: string): readonly string[] =>
  [...text.matchAll(ESCAPED_OR_NAME)].flatMap(([, , name]) => (name === undefined ? [] : [name]));

/** The placeholder that a person most likely meant, with its braces; else how to write the text itself. */
export function insteadOfPlaceholder(name: string): string {
  const meant = nearest(name, PLACEHOLDERS);
  return meant === null ? `{{${name}}}` : `{${meant}}`;
}

/**
 * Variables for a process that is no instance (a one-off, a smoke test): it has no port, so variables that name one are left
 * out.
 */
export function withoutPort(variables: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const data = variables['VEZA_DATA'];
  const values = data === undefined ? {} : { DATA: fillPlaceholders(data, {}) };
  return Object.fromEntries(
    Object.entries(variables)
      .filter(
        ([, value]) =>
          !placeholdersIn(value).some((name) => name !== 'DATA' && PLACEHOLDERS.some((known) => known === name)),
      )
      .map(([name, value]) => [name, fillPlaceholders(value, values)]),
  );
}
