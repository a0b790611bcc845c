import type { Resource } from '../../core/spec/platform.ts';
import { createPostgres } from './postgres/postgres.ts';
import type { ResourceDriver } from './resource.ts';

/** What a driver gets from the control plane beside the declaration. */
export interface ResourceContext {
  readonly environment: string;
  /** Folder of this resource in this environment, for its data and credentials; made when needed. */
  readonly directory: string;
  /** Folder shared by all resources of this state folder, for programs that have to be unpacked; made when needed. */
  readonly cacheDirectory: string;
  /** Port on 127.0.0.1 for an embedded resource; the caller keeps it the same from start to start. */
  readonly port: number;
  /** The value of a secret of this environment. @throws MissingSecretError */
  readonly secret: (name: string) => Promise<string>;
}

type Factory<Kind extends Resource['kind']> = (
  resource: Extract<Resource, { readonly kind: Kind }>,
  context: ResourceContext,
) => ResourceDriver;

const drivers: { readonly [Kind in Resource['kind']]: Factory<Kind> } = {
  postgres: createPostgres,
};

/** The driver for a declared resource. */
export function createResourceDriver(resource: Resource, context: ResourceContext): ResourceDriver {
  return drivers[resource.kind](resource, context);
}
