/** An SPDX licence expression: https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions/ */
export type LicenceExpression =
  | { readonly kind: 'licence'; readonly id: string; readonly orLater: boolean; readonly exception: string | null }
  | { readonly kind: 'and' | 'or'; readonly left: LicenceExpression; readonly right: LicenceExpression };

const WORD = /\s*(\(|\)|[A-Za-z0-9.:-]+\+?)\s*/y;
/** Deeper ones are nobody's licence but somebody's attempt. */
const MOST_NESTED = 50;

/**
 * Reads an expression: `WITH` binds closest, then `AND`, then `OR`; operators in any case, as registries have them.
 *
 * @returns null when it is none
 */
export function parseLicence(text: string): LicenceExpression | null {
  const words = wordsOf(text);
  if (words === null || words.length === 0) return null;
  let at = 0;
  const isNext = (word: string): boolean => words[at]?.toUpperCase() === word;

  const chain = (kind: 'and' | 'or', part: (depth: number) => LicenceExpression | null) => (depth: number) => {
    let left = part(depth);
    while (left !== null && isNext(kind.toUpperCase())) {
      at += 1;
      const right = part(depth);
      left = right === null ? null : { kind, left, right };
    }
    return left;
  };
  const simple = (depth: number): LicenceExpression | null => {
    const word = words[at];
    if (word === undefined || depth > MOST_NESTED) return null;
    at += 1;
    if (word === '(') {
      const inner = or(depth + 1);
      if (inner === null || words[at] !== ')') return null;
      at += 1;
      return inner;
    }
    if (word === ')' || /^(?:and|or|with)$/i.test(word)) return null;
    const orLater = word.endsWith('+') || /-or-later$/i.test(word);
    const id = word.replace(/\+$|-or-later$|-only$/i, '');
    if (!isNext('WITH')) return { kind: 'licence', id, orLater, exception: null };
    const exception = words[at + 1];
    at += 2;
    if (exception === undefined || /^(?:\(|\)|and|or|with)$/i.test(exception)) return null;
    return { kind: 'licence', id, orLater, exception };
  };
  const or: (depth: number) => LicenceExpression | null = chain('or', chain('and', simple));
  const whole = or(0);
  return at === words.length ? whole : null;
}

function wordsOf(text: string): readonly string[] | null {
  const words: string[] = [];
  WORD.lastIndex = 0;
  while (WORD.lastIndex < text.length) {
    const word = WORD.exec(text)?.[1];
    if (word === undefined) return null;
    words.push(word);
  }
  return words;
}

/** The expression in its shortest form, with the parentheses that it needs and no others. */
export function formatLicence(expression: LicenceExpression): string {
  if (expression.kind === 'licence') {
    const { id, orLater, exception } = expression;
    return `${id}${orLater ? '+' : ''}${exception === null ? '' : ` WITH ${exception}`}`;
  }
  const side = (part: LicenceExpression, isRight: boolean): string => {
    const needs = part.kind !== 'licence' && (isRight || (expression.kind === 'and' && part.kind === 'or'));
    return needs ? `(${formatLicence(part)})` : formatLicence(part);
  };
  return `${side(expression.left, false)} ${expression.kind.toUpperCase()} ${side(expression.right, true)}`;
}
