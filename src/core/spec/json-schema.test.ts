import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { platformJsonSchema } from './json-schema.ts';
import { parsePlatform } from './parse-platform.ts';
import { changed, RIGHT } from './testing/wrong-config.ts';
import { WRONG_CONFIGS } from './testing/wrong-configs.ts';

const COMMITTED = new URL('../../../schema/veza.schema.json', import.meta.url);

test('the committed JSON Schema is the one that the source makes; `npm run build` writes it', () => {
  expect(JSON.parse(readFileSync(COMMITTED, 'utf8'))).toEqual(JSON.parse(JSON.stringify(platformJsonSchema())));
});

describe('the JSON Schema', () => {
  const schema = z.fromJSONSchema(
    JSON.parse(JSON.stringify(platformJsonSchema())) as Parameters<typeof z.fromJSONSchema>[0],
  );
  const accepts = (input: unknown): boolean => schema.safeParse(input).success;

  test('accepts a right declaration', () => {
    expect(accepts(RIGHT)).toBe(true);
  });

  test('refuses faults of form; of all faults that are tested, four in ten', () => {
    const refused = WRONG_CONFIGS.filter(({ change }) => !accepts(changed(RIGHT, change)));
    expect(refused.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'misspelt key of a service',
        'no source',
        'instances as a text',
        'misspelt kind',
        'duration without unit',
      ]),
    );
    expect(refused.length).toBeGreaterThan(WRONG_CONFIGS.length * 0.4);
  });

  test('refuses nothing that `veza validate` accepts', () => {
    for (const { change } of WRONG_CONFIGS) {
      const input = changed(RIGHT, change);
      if (parsePlatform(input).ok) expect(accepts(input)).toBe(true);
    }
    const short = {
      name: 'a',
      services: {
        a: { source: '.', run: ['x'], build: 'make', health: '/h', strategy: { kind: 'rolling', batch: '25%' } },
      },
    };
    expect(parsePlatform(short).ok).toBe(true);
    expect(accepts(short)).toBe(true);
  });

  test('describes every key that a service has', () => {
    const text = JSON.stringify(platformJsonSchema());
    for (const key of ['source', 'run', 'instances', 'health', 'route', 'strategy', 'dependencies', 'environment']) {
      expect(text).toContain(`"${key}":`);
    }
  });
});
