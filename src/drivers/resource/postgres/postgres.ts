import type { Resource } from '../../../core/spec/platform.ts';
import type { ResourceContext, ResourceDriver } from '../resource.ts';
import { EmbeddedPostgres } from './embedded.ts';
import { ExternalPostgres } from './external.ts';

type PostgresResource = Extract<Resource, { readonly kind: 'postgres' }>;

/** PostgreSQL: started here (`embedded`), or reached by a URL that is a secret (`external`). */
export function createPostgres(resource: PostgresResource, context: ResourceContext): ResourceDriver {
  switch (resource.mode) {
    case 'embedded':
      return new EmbeddedPostgres({
        name: resource.name,
        database: resource.database,
        directory: context.directory,
        cacheDirectory: context.cacheDirectory,
        host: context.host,
        port: context.port,
      });
    case 'external': {
      const { name, url } = resource;
      return new ExternalPostgres(name, () => context.secret(url.secret));
    }
  }
}
