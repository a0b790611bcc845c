import { stripVTControlCharacters, styleText } from 'node:util';
import type { Slot } from '../../core/slot.ts';

export type Paint = 'dim' | 'bold' | 'red' | 'green' | 'yellow' | 'blue' | 'cyan' | 'magenta';

/** How lines may look: with colour or not, with signs beyond ASCII or not, and how wide. */
export interface Style {
  readonly colour: boolean;
  readonly unicode: boolean;
  /** Columns. */
  readonly width: number;
}

export const paint = (style: Style, colour: Paint, text: string): string =>
  style.colour ? styleText(colour, text, { validateStream: false }) : text;

const SIGNS = {
  done: ['✔', '+'],
  failed: ['✘', 'x'],
  active: ['●', '*'],
  ahead: ['○', '-'],
  warning: ['▲', '!'],
  arrow: ['→', '->'],
  dot: ['·', '-'],
  dash: ['—', '-'],
  full: ['█', '#'],
  empty: ['░', '.'],
  ellipsis: ['…', '..'],
} as const;
export type Sign = keyof typeof SIGNS;

export const sign = (style: Style, name: Sign): string => SIGNS[name][style.unicode ? 0 : 1];

/** Columns that a text takes: no colours, and two for the wide characters of East Asian scripts and emoji. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of stripVTControlCharacters(text)) width += WIDE.test(character) ? 2 : 1;
  return width;
}
const WIDE = /[ᄀ-ᅟ⺀-꓏가-힣豈-﫿︰-﹏＀-｠￠-￦]|\p{Emoji_Presentation}/u;

export const padEnd = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)));
export const padStart = (text: string, width: number): string => ' '.repeat(Math.max(0, width - widthOf(text))) + text;

/** Cuts a text, colours and all, to the width of the terminal. */
export function cut(style: Style, text: string): string {
  if (widthOf(text) <= style.width) return text;
  const ellipsis = sign(style, 'ellipsis');
  const room = Math.max(0, style.width - ellipsis.length);
  let result = '';
  let width = 0;
  for (const part of text.split(ESCAPES)) {
    if (part.startsWith('\u001B')) {
      result += part;
      continue;
    }
    for (const character of part) {
      const wide = widthOf(character);
      if (width + wide > room) return `${result}${ellipsis}${style.colour ? '\u001B[0m' : ''}`;
      result += character;
      width += wide;
    }
  }
  return result;
}
// oxlint-disable-next-line no-control-regex -- colours are control characters
const ESCAPES = /(\u001B\[[0-9;]*m)/;

/** Breaks a text at spaces into lines of at most `width` columns. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Slots are shown in the colour that they are called after. */
export const slotPaint = (style: Style, slot: Slot, text: string): string => paint(style, slot, text);
