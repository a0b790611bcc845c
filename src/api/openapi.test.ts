import { describe, expect, it } from 'vitest';
import { contract } from './contract.ts';
import { openApiDocument } from './openapi.ts';

type Json = { [key: string]: unknown };
const document = openApiDocument('1.2.3') as Json & {
  paths: Record<string, Record<string, Json>>;
  components: { schemas: Json };
};

/** Every object inside a document. */
function* objects(value: unknown): Generator<Json> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield value as Json;
  for (const child of Object.values(value)) yield* objects(child);
}

const resolve = (pointer: string): unknown =>
  pointer
    .replace(/^#\//, '')
    .split('/')
    .reduce<unknown>(
      (at, part) => (at as Json | undefined)?.[part.replaceAll('~1', '/').replaceAll('~0', '~')],
      document,
    );

describe('the OpenAPI document', () => {
  it('has every endpoint of the contract, with its operation id once', () => {
    const ids = Object.values(document.paths).flatMap((path) =>
      Object.values(path).map((operation) => operation.operationId),
    );
    expect([...ids].sort()).toEqual([...Object.keys(contract), 'openapi'].sort());
    for (const endpoint of Object.values(contract)) {
      expect(document.paths[endpoint.path]?.[endpoint.method.toLowerCase()]).toMatchObject({
        operationId: endpoint.operation,
        summary: endpoint.summary,
      });
    }
  });

  it('refers only to what is there', () => {
    const references = [...objects(document)]
      .map((object) => object.$ref)
      .filter((reference) => typeof reference === 'string');
    expect(references.length).toBeGreaterThan(20);
    for (const reference of references) {
      expect(reference).toMatch(/^#\/components\/schemas\//);
      expect(resolve(reference), reference).toBeTypeOf('object');
    }
  });

  it('declares every parameter of every path', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const operation of Object.values(methods)) {
        const declared = ((operation.parameters ?? []) as Json[])
          .filter((parameter) => parameter.in === 'path')
          .map(({ name }) => name);
        expect(declared.sort()).toEqual([...named].sort());
      }
    }
  });

  it('says what every endpoint answers, and that problems are problem documents', () => {
    for (const methods of Object.values(document.paths)) {
      for (const operation of Object.values(methods)) {
        expect(operation.responses).toHaveProperty('200');
        if (operation.operationId !== 'openapi')
          expect(JSON.stringify(operation.responses)).toContain('application/problem+json');
      }
    }
  });

  it('is plain JSON without parts of documents in its parts', () => {
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
    for (const object of objects(document.components)) expect(object).not.toHaveProperty('$schema');
  });
});
