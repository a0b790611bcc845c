declare const brand: unique symbol;

/** A primitive that has been parsed: `Brand<number, 'Port'>` cannot be made from a bare number by accident. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };
