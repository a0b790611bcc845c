/** The outcome of reading a value that a person wrote: the value, or what should have stood there. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      /** Completes the sentence "expected …": `a duration with its unit, such as "30s"`. */
      readonly expected: string;
      /** A valid value that the person probably meant, as text, or null. */
      readonly suggestion: string | null;
    };

export const parsed = <T>(value: T): Parsed<T> => ({ ok: true, value });

export const expected = (text: string, suggestion: string | null = null): Parsed<never> => ({
  ok: false,
  expected: text,
  suggestion,
});
