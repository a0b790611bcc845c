import { z } from 'zod';
import { type KeyRing, KeyRingRefused, parseKeyRing, type RingRole } from './key-ring.ts';

/** The variable `KEY_RING` as part of a service's settings. Faults are named by kid and position, never with a value. */
export function keyRingSetting(role: RingRole) {
  return z.string().transform((text, context): KeyRing => {
    try {
      return parseKeyRing(text, role);
    } catch (error) {
      if (!(error instanceof KeyRingRefused)) throw error;
      context.addIssue({ code: 'custom', message: error.message, input: undefined });
      return z.NEVER;
    }
  });
}
