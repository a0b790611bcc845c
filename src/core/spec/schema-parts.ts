import { z } from 'zod';
import type { Parsed } from '../units/parsed.ts';

/** Facts about a value that only the JSON Schema can use; see `json-schema.ts`. */
export interface JsonFacts {
  readonly description: string;
  readonly type?: string | readonly string[];
  readonly pattern?: string;
  readonly examples?: readonly unknown[];
  readonly [fact: string]: unknown;
}

/** A value that a parser of `core/units` reads. `Input` is what TypeScript accepts, `facts` what JSON Schema says. */
export function unit<Input, Output>(
  parse: (input: unknown) => Parsed<Output>,
  facts: JsonFacts,
): z.ZodType<Output, Input> {
  return z
    .custom<Input>()
    .meta(facts)
    .transform((input, context): Output => {
      const result = parse(input);
      if (result.ok) return result.value;
      context.addIssue({ code: 'custom', message: result.expected, params: { suggestion: result.suggestion } });
      return z.NEVER;
    });
}

/** An object that has these keys and no others. The message of an unknown key lists the known ones. */
export function strict<Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
  expected: string,
): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? Object.keys(shape).join(' ') : expected),
  });
}

/** One of several forms. `expected` names them all, for a value that has none of them. */
export function either<const Options extends readonly z.core.SomeType[]>(
  expected: string,
  options: Options,
): z.ZodUnion<Options> {
  return z.union(options, { error: expected });
}

export const text = (expected: string): z.ZodString => z.string({ error: expected });

export const flag = (description: string): z.ZodBoolean => z.boolean({ error: 'true or false' }).describe(description);

/** A whole number between two bounds, both included. */
export function count(low: number, high: number, description: string): z.ZodNumber {
  const error = `a whole number from ${low} to ${high}`;
  return z.number({ error }).int({ error }).min(low, { error }).max(high, { error }).describe(description);
}

export function listOf<Item extends z.core.SomeType>(item: Item, expected: string): z.ZodArray<Item> {
  return z.array(item, { error: expected });
}
