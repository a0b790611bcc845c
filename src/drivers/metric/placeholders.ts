import type { Arm } from '../../core/slot.ts';
import type { MetricScope } from './metric.ts';

/** What is filled in where `{arm}`, `{slot}`, `{release}`, `{service}` and `{environment}` stand. */
export interface ScopeValues {
  readonly arm: Arm;
  readonly slot: string;
  readonly release: string;
  readonly service: string;
  readonly environment: string;
}

// Only these names between braces mean something: JSON, PromQL and templates of other programs need no escaping.
const ESCAPED_OR_NAME = /\{\{(arm|slot|release|service|environment)\}\}|\{(arm|slot|release|service|environment)\}/g;

export const valuesOf = ({ arms, service, environment }: MetricScope, arm: Arm): ScopeValues => ({
  arm,
  slot: arms[arm].slot,
  release: arms[arm].release,
  service,
  environment,
});

/**
 * Puts values where their names stand. `{{arm}}` becomes the text `{arm}`; every other brace stays as it is.
 *
 * @param encode makes a value harmless at its place, which is given as its index in the text
 */
export function fillScope(
  text: string,
  values: ScopeValues,
  encode: (value: string, index: number) => string = (value) => value,
): string {
  return text.replaceAll(ESCAPED_OR_NAME, (whole, escaped: string | undefined, name: string, index: number) =>
    escaped === undefined ? encode(values[name as keyof ScopeValues], index) : whole.slice(1, -1),
  );
}

/** An address with its placeholders filled in; null when it is none. */
export function fillUrl(text: string, values: ScopeValues): URL | null {
  const filled = fillScope(text, values, encodeURIComponent);
  return URL.canParse(filled) ? new URL(filled) : null;
}
