import { z } from 'zod';

/** An e-mail address as it is stored and compared: composed characters, lower case. */
export const emailAddress = z
  .string()
  .max(320)
  .transform((text) => text.trim().normalize('NFC').toLowerCase())
  .pipe(z.email().max(254));
