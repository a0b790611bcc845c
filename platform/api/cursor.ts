import type { z } from 'zod';
import { Problem } from '../kit/problem.ts';

/**
 * Where the next page goes on: the last row's values of what the pages are sorted by (keyset paging), so that rows which come or
 * go meanwhile neither repeat others nor hide them. Opaque to clients, and believed in nothing: whatever it says, it only
 * says where to start among what one may see anyway.
 *
 * @see https://use-the-index-luke.com/no-offset
 */
export function writeCursor(values: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(values)).toString('base64url');
}

/** @throws Problem 400 `cursor-malformed` when it is none of ours */
export function readCursor<T>(text: string, schema: z.ZodType<T>): T {
  let values: unknown;
  try {
    values = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    values = undefined;
  }
  const parsed = schema.safeParse(values);
  if (!parsed.success) {
    throw new Problem(400, 'cursor-malformed', 'The cursor is not one that an earlier page gave.');
  }
  return parsed.data;
}
