import type { Resource } from '../../core/spec/platform.ts';
import { createPostgres } from './postgres/postgres.ts';
import type { ResourceContext, ResourceDriver } from './resource.ts';

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
