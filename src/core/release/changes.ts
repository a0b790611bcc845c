import { redact } from '../redact.ts';
import { holdsSecret, looksSecret } from '../spec/secret-names.ts';

/** A key of a service's configuration that is not what it was. */
export interface ConfigurationChange {
  /** `strategy.limits.maxP99Ms`, `environment.LOG_LEVEL` */
  readonly key: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** As JSON; null where there is none, or where it may be a secret. */
  readonly before: string | null;
  readonly after: string | null;
  /** The values are not shown: they may be secret. */
  readonly masked: boolean;
}

const LONGEST_VALUE = 200;

/**
 * What differs between two releases' configuration, key by key in the order of their names. Values of variables that look secret are not
 * shown, nor known secrets wherever they stand.
 *
 * @param before the service as it was resolved for the environment, of either release
 */
export function configurationChanges(
  before: object,
  after: object,
  secrets: readonly string[],
): readonly ConfigurationChange[] {
  const [old, fresh] = [flattened(before), flattened(after)];
  const keys = [...new Set([...old.keys(), ...fresh.keys()])].sort((a, b) => (a < b ? -1 : 1));
  return keys.flatMap((key): readonly ConfigurationChange[] => {
    const [was, is] = [old.get(key), fresh.get(key)];
    if (was === is) return [];
    const masked = [was, is].some((value) => value !== undefined && isSecret(key, value, secrets));
    const shown = (value: string | undefined): string | null =>
      value === undefined || masked ? null : redact(value, { secrets, keep: new Set() }).slice(0, LONGEST_VALUE);
    return [
      {
        key,
        kind: was === undefined ? 'added' : is === undefined ? 'removed' : 'changed',
        before: shown(was),
        after: shown(is),
        masked,
      },
    ];
  });
}

/** A reference to a secret names it, and that is no secret. */
function isSecret(key: string, value: string, secrets: readonly string[]): boolean {
  const name = key.startsWith('environment.') ? key.slice('environment.'.length) : null;
  if (name !== null && !name.endsWith('.secret') && looksSecret(name)) return true;
  return holdsSecret(value.replace(/^"/, '')) || secrets.some((secret) => secret.length > 3 && value.includes(secret));
}

/** Leaves by their path; a list is a leaf. */
function flattened(value: object, path = ''): Map<string, string> {
  const leaves = new Map<string, string>();
  for (const [name, one] of Object.entries(value) as [string, unknown][]) {
    const key = path === '' ? name : `${path}.${name}`;
    if (one === undefined) continue;
    if (typeof one === 'object' && one !== null && !Array.isArray(one))
      for (const [below, leaf] of flattened(one, key)) leaves.set(below, leaf);
    else leaves.set(key, JSON.stringify(one));
  }
  return leaves;
}
