import { EmbeddedSecrets } from './embedded/embedded.ts';
import type { Secrets, SecretsContext } from './secrets.ts';

const drivers = {
  embedded: (context: SecretsContext): Secrets => new EmbeddedSecrets(context),
} as const;

export type SecretsKind = keyof typeof drivers;

/** The secrets of one environment, from the driver of this kind. */
export function createSecrets(kind: SecretsKind, context: SecretsContext): Secrets {
  return drivers[kind](context);
}
