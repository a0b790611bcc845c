import type { BenchResult, ResultFigure } from './result.ts';

/** A result as text for a terminal: one line a figure, with its goal and its peer where there are any. */
export function tableOf(result: BenchResult): string {
  const rows = result.figures.map((figure) => [
    figure.name,
    `${shown(figure.value)} ${figure.unit}`,
    goalOf(figure),
    peerOf(figure),
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 1 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  const { machine, commit } = result;
  const at = commit === null ? 'no commit' : `commit ${commit.id.slice(0, 12)}${commit.dirty ? ' with changes' : ''}`;
  return [
    `${result.name}: ${result.description}`,
    ...lines.map((line) => `  ${line}`),
    `  ${machine.cpu}, ${machine.cores} cores, ${machine.memoryMb} MB, ${machine.system}, Node ${machine.node}; ${at}`,
  ].join('\n');
}

function goalOf({ goal, met, unit }: ResultFigure): string {
  if (goal === undefined) return '';
  const bound = 'atMost' in goal ? `<= ${shown(goal.atMost)}` : `>= ${shown(goal.atLeast)}`;
  return `goal ${bound} ${unit}: ${met === true ? 'met' : 'MISSED'}`;
}

function peerOf({ peer, ratio, unit }: ResultFigure): string {
  if (peer === undefined) return '';
  return `${peer.name} ${shown(peer.value)} ${unit}${ratio === null ? '' : `, ratio ${shown(ratio)}`}`;
}

/** Three significant digits, thousands grouped; more would claim a precision that a benchmark does not have. */
export function shown(value: number): string {
  if (value === 0) return '0';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}
