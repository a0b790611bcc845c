import type { JsonValue } from '../core/release/canonical-json.ts';

/** A value in a configuration that is no data: a function, a Date, a cycle. */
export interface ForeignValue {
  readonly path: readonly (string | number)[];
  readonly got: string;
}

/** What the child process that runs a configuration says about it, once. */
export type RunMessage =
  /** `javascript` is the source without its types, position for position. */
  | {
      readonly kind: 'value';
      readonly value: JsonValue;
      readonly foreign: readonly ForeignValue[];
      readonly javascript: string;
    }
  | { readonly kind: 'no-default'; readonly exports: readonly string[] }
  | { readonly kind: 'unreadable'; readonly reason: string }
  | {
      readonly kind: 'syntax' | 'unsupported' | 'import' | 'threw';
      /** File in which it happened; the configuration or one that it imports. Null when unknown. */
      readonly file: string | null;
      readonly line: number | null;
      readonly column: number | null;
      readonly reason: string;
    };
