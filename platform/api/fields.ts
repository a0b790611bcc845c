import { z } from 'zod';

/** A text that people read: some characters, none of which controls anything, and that can be written as UTF-8. */
export function line(maxLength: number): z.ZodType<string> {
  return z
    .string()
    .min(1)
    .max(maxLength)
    .refine((text) => text.isWellFormed() && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text), 'holds control characters')
    .refine((text) => text.trim() === text, 'begins or ends with a space');
}

/** As {@link line}, with line breaks and possibly empty. */
export function paragraphs(maxLength: number): z.ZodType<string> {
  return z
    .string()
    .max(maxLength)
    .refine((text) => text.isWellFormed() && !/[^\P{Cc}\n\r\t]/u.test(text), 'holds control characters');
}

/** A language tag (RFC 5646) as far as the platform needs it: `fr`, `pt-BR`, `zh-Hant-TW`. */
export const languageTag = z
  .string()
  .max(35)
  .regex(/^[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$/, 'is no language tag, such as fr or pt-BR');

/** In lower case, as the database writes it: two spellings of one id would be two keys of a cache. */
export const id = z.uuid().toLowerCase();

/** Hexadecimal, lower case. */
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in lower-case hexadecimal');

export const withId = z.object({ id });

/** A moment as it is written in answers. */
export function written(date: Date): string {
  return date.toISOString();
}
