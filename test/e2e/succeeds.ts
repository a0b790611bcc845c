import { expect } from 'vitest';
import type { Outcome } from './bad-input-sandbox.ts';

/** Waits for a command and holds that it ended well. */
export async function succeeds(outcome: Promise<Outcome>): Promise<Outcome> {
  const result = await outcome;
  expect(result, result.stderr).toMatchObject({ status: 0 });
  return result;
}
