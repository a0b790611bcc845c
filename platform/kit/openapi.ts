import type { RouteOptions } from 'fastify';
import type { App } from './app.ts';

/** What the document says of a service. */
export interface ApiInfo {
  readonly title: string;
  readonly version: string;
}

/** Notes the routes of a service as they are added, for its OpenAPI document. Call it before the first route. */
export function collectRoutes(app: App): readonly RouteOptions[] {
  const routes: RouteOptions[] = [];
  app.addHook('onRoute', (route) => void routes.push({ ...route }));
  return routes;
}

/**
 * The OpenAPI document of routes that were collected. What makes it is loaded only when somebody asks, so that a start does
 * not pay for it.
 */
export async function describeRoutes(routes: readonly RouteOptions[], info: ApiInfo): Promise<object> {
  const [{ default: fastify }, { default: swagger }, zod] = await Promise.all([
    import('fastify'),
    import('@fastify/swagger'),
    import('fastify-type-provider-zod'),
  ]);
  const scratch = fastify();
  scratch.setValidatorCompiler(zod.validatorCompiler);
  scratch.setSerializerCompiler(zod.serializerCompiler);
  await scratch.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: info.title, version: info.version } },
    transform: zod.jsonSchemaTransform,
  });
  for (const { method, url, schema } of routes) {
    const methods = (Array.isArray(method) ? method : [method]).filter((one) => one !== 'HEAD' && one !== 'OPTIONS');
    if (methods.length === 0 || !isPublic(url)) continue;
    scratch.route({ method: methods, url, handler: () => null, ...(schema !== undefined && { schema }) });
  }
  await scratch.ready();
  const document = scratch.swagger();
  await scratch.close();
  return document;
}

const isPublic = (url: string): boolean =>
  !url.startsWith('/internal/') && url !== '/livez' && url !== '/readyz' && !url.endsWith('/openapi.json');
