import { cut, padEnd, padStart, paint, type Style, widthOf } from './style.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Left out where the terminal is too narrow, higher ones first. */
  readonly optional?: number;
  /** Columns that are enough for it; the rest of a longer text is cut. For the last one. */
  readonly enough?: number;
}

const GAP = 2;

/**
 * Aligned columns, two spaces apart; no lines, nothing that gets in the way of copying. Columns without content are left
 * out.
 */
export function table(
  style: Style,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const filled = columns
    .map((column, index) => ({
      column,
      index,
      width: widthOfColumn(
        column,
        rows.map((row) => row[index] ?? ''),
      ),
    }))
    .filter(({ index }) => rows.length === 0 || rows.some((row) => (row[index] ?? '') !== ''));
  const kept = fitting(filled, style.width);
  const line = (cells: readonly string[]): string =>
    cut(
      style,
      cells
        .map((cell, position) => {
          const { column, width } = kept[position] ?? { column: { title: '' }, width: 0 };
          if (column.align === 'right') return padStart(cell, width);
          return position === cells.length - 1 ? cell : padEnd(cell, width);
        })
        .join(' '.repeat(GAP))
        .trimEnd(),
    );
  return [
    paint(style, 'dim', line(kept.map(({ column }) => column.title))),
    ...rows.map((row) => line(kept.map(({ index }) => row[index] ?? ''))),
  ];
}

interface Filled {
  readonly column: Column;
  readonly index: number;
  readonly width: number;
}

const widthOfColumn = (column: Column, cells: readonly string[]): number =>
  Math.max(widthOf(column.title), ...cells.map(widthOf));

function fitting(columns: readonly Filled[], room: number): readonly Filled[] {
  const needed = columns.reduce((sum, { column, width }) => sum + Math.min(width, column.enough ?? width) + GAP, -GAP);
  if (needed <= room) return columns;
  const most = Math.max(...columns.map(({ column }) => column.optional ?? 0));
  return most === 0
    ? columns
    : fitting(
        columns.filter(({ column }) => column.optional !== most),
        room,
      );
}
