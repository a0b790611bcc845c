import { z } from 'zod';
import { platformSchema } from './schema.ts';

/**
 * The JSON Schema (draft 2020-12) of what `definePlatform` takes, made from the schemas that check it. It knows forms, not
 * names: that a dependency exists is for `veza validate` to say.
 */
export function platformJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(platformSchema, {
    io: 'input',
    // Values that a parser reads carry their own description of what it accepts.
    unrepresentable: 'any',
    reused: 'ref',
  });
  return {
    $schema,
    $id: 'urn:veza:schema:platform',
    title: 'Veza platform',
    description: 'What veza.config.ts declares with definePlatform({ … }).',
    ...schema,
  };
}
