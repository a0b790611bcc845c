import type { Resource } from '../../../core/spec/platform.ts';
import type { ResourceContext, ResourceDriver } from '../resource.ts';
import { EmbeddedStorage } from './embedded.ts';
import { ExternalStorage } from './external.ts';

type StorageResource = Extract<Resource, { readonly kind: 'storage' }>;

/** Storage of objects: a folder of this environment (`embedded`), or what a URL leads to that is a secret (`external`). */
export function createStorage(resource: StorageResource, context: ResourceContext): ResourceDriver {
  switch (resource.mode) {
    case 'embedded':
      return new EmbeddedStorage(resource.name, context.directory);
    case 'external': {
      const { name, url } = resource;
      return new ExternalStorage(name, () => context.secret(url.secret));
    }
  }
}
