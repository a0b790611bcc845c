import { cut, padEnd, padStart, paint, type Style, widthOf } from './style.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Aligned columns, two spaces apart; no lines, nothing that gets in the way of copying. Columns without content go. */
export function table(
  style: Style,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const kept = columns
    .map((column, index) => ({ column, index }))
    .filter(({ index }) => rows.length === 0 || rows.some((row) => (row[index] ?? '') !== ''));
  const widths = kept.map(({ column, index }) =>
    Math.max(widthOf(column.title), ...rows.map((row) => widthOf(row[index] ?? ''))),
  );
  const line = (cells: readonly string[]): string =>
    cut(
      style,
      cells
        .map((cell, position) => {
          const width = widths[position] ?? 0;
          if (kept[position]?.column.align === 'right') return padStart(cell, width);
          return position === cells.length - 1 ? cell : padEnd(cell, width);
        })
        .join('  ')
        .trimEnd(),
    );
  return [
    paint(style, 'dim', line(kept.map(({ column }) => column.title))),
    ...rows.map((row) => line(kept.map(({ index }) => row[index] ?? ''))),
  ];
}
