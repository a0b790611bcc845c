import { z } from 'zod';
import { contract } from './contract.ts';
import type { Endpoint } from './endpoint.ts';
import { PROBLEM_TYPE, ProblemSchema } from './problem.ts';
import * as views from './schemas.ts';

type Json = Record<string, unknown>;

const COMPONENTS = '#/components/schemas/';

/**
 * The OpenAPI 3.1 document of the contract. Views that have a name are components; OpenAPI 3.1 schemas are JSON Schema
 * 2020-12, which is what Zod writes.
 * @param version - of the product
 */
export function openApiDocument(version: string): Json {
  const registry = z.registry<{ id: string }>();
  for (const [name, schema] of Object.entries(views)) registry.add(schema, { id: name.replace(/Schema$/, '') });
  registry.add(ProblemSchema, { id: 'Problem' });
  const { schemas } = z.toJSONSchema(registry, { uri: (id) => `${COMPONENTS}${id}`, io: 'output' });
  const known = new Map<z.ZodType, string>([
    ...Object.entries(views).map(([name, schema]) => [schema, name.replace(/Schema$/, '')] as [z.ZodType, string]),
    [ProblemSchema, 'Problem'],
  ]);
  const write = (schema: z.ZodType, io: 'input' | 'output'): Json => {
    const name = known.get(schema);
    if (name !== undefined) return { $ref: `${COMPONENTS}${name}` };
    // A list of something that has a name.
    const inner = schema instanceof z.ZodReadonly ? schema.def.innerType : schema;
    if (inner instanceof z.ZodArray) return { type: 'array', items: write(inner.element as z.ZodType, io) };
    return withoutMeta(z.toJSONSchema(schema, { io }));
  };

  const paths: Record<string, Json> = {};
  for (const endpoint of Object.values(contract) as Endpoint[]) {
    (paths[endpoint.path] ??= {})[endpoint.method.toLowerCase()] = operationOf(endpoint, write);
  }
  paths['/v1/openapi.json'] = {
    get: {
      operationId: 'openapi',
      summary: 'This document',
      tags: ['control plane'],
      responses: {
        200: { description: 'OpenAPI 3.1', content: { 'application/json': { schema: { type: 'object' } } } },
      },
    },
  };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Veza Deploy',
      version,
      description: 'The one way in: the CLI and the console are clients of this API.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://localhost', description: 'Unix socket `control.sock` in the state folder' }],
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, withoutMeta(schema as Json)])),
    },
  };
}

function operationOf(endpoint: Endpoint, write: (schema: z.ZodType, io: 'input' | 'output') => Json): Json {
  const content =
    endpoint.item === null
      ? { 'application/json': { schema: write(endpoint.answer, 'output') } }
      : {
          'text/event-stream': {
            schema: {
              type: 'string',
              description: 'events `item` (x-item), then one `result` (x-result) or `problem`',
            },
            'x-item': write(endpoint.item, 'output'),
            'x-result': write(endpoint.answer, 'output'),
          },
        };
  const problems = ['request-invalid', ...endpoint.problems, 'internal'];
  return {
    operationId: endpoint.operation,
    summary: endpoint.summary,
    tags: [endpoint.tag],
    parameters: [
      ...parameters(endpoint.params, 'path'),
      ...parameters(endpoint.query, 'query'),
      ...(endpoint.resumable
        ? [
            {
              name: 'Last-Event-ID',
              in: 'header',
              required: false,
              schema: { type: 'string' },
              description: 'go on after this item',
            },
          ]
        : []),
    ],
    ...(endpoint.body === null
      ? {}
      : {
          requestBody: { required: true, content: { 'application/json': { schema: write(endpoint.body, 'input') } } },
        }),
    responses: {
      200: { description: endpoint.item === null ? 'The answer' : 'Server-sent events', content },
      default: {
        description: `A problem: ${problems.join(', ')}, or one of the engine's`,
        content: { [PROBLEM_TYPE]: { schema: write(ProblemSchema, 'output') } },
      },
    },
  };
}

function parameters(schema: z.ZodType | null, place: 'path' | 'query'): Json[] {
  if (schema === null) return [];
  const object = z.toJSONSchema(schema, { io: 'input' });
  const required = new Set(object.required ?? []);
  return Object.entries(object.properties ?? {}).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || required.has(name),
    schema: property,
  }));
}

/** `$schema` and `$id` belong to documents, not to parts of one. */
function withoutMeta(schema: Json): Json {
  const { $schema: _, $id: __, '~standard': ___, ...rest } = schema;
  return rest;
}
