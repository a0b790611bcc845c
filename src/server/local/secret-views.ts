import type { SecretView } from '../../api/schemas.ts';
import type { Environment } from '../../core/spec/platform.ts';
import type { Secrets } from '../../drivers/secrets/secrets.ts';
import { secretsOf } from './configuration.ts';

/** Names of secrets that are set or referred to, and who refers to them; never a value. */
export async function secretViews(environment: Environment, secrets: Secrets): Promise<readonly SecretView[]> {
  const set = new Map((await secrets.list()).map((info) => [info.name, info]));
  const users = new Map<string, string[]>([...set.keys()].map((key) => [key, []]));
  for (const service of Object.values(environment.services)) {
    for (const key of secretsOf(service)) users.set(key, [...(users.get(key) ?? []), service.name]);
  }
  return [...users].map(([key, usedBy]) => ({
    environment: environment.name,
    name: key,
    setAt: set.get(key)?.updatedAt ?? null,
    usedBy,
  }));
}
