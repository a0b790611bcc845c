import { holdsSecret, looksSecret } from '../../core/spec/secret-names.ts';
import type { OpenEnvironment } from './environments.ts';

/**
 * Values of an environment that must not be shown: its secrets, and what resources are reached with.
 *
 * @throws SecretStoreError when they cannot be read; then nobody can say what is one
 */
export async function secretValues({ secrets, resources }: OpenEnvironment): Promise<readonly string[]> {
  const known = await Promise.all((await secrets.list()).map(({ name }) => secrets.get(name)));
  const connections = await Promise.all(
    [...resources.values()].map(async (resource) => Object.entries((await resource.connection()).environment)),
  );
  const values = connections
    .flat()
    .filter(([name, value]) => looksSecret(name) || holdsSecret(value))
    .flatMap(([, value]) => [value, passwordOf(value)]);
  return [...known.filter((value) => value !== undefined), ...values].filter((value) => value !== '');
}

function passwordOf(value: string): string {
  return URL.canParse(value) ? decodeURIComponent(new URL(value).password) : '';
}
