import type { MigrationsView } from '../../api/migration-schemas.ts';
import { relativeText, shortRelease } from './numbers.ts';
import { paint, type Style } from './style.ts';
import { table } from './table.ts';

type Migration = MigrationsView['migrations'][number];

/** The migrations of one service: a heading, a line each, and what deferred ones wait for. */
export function migrationLines(
  view: MigrationsView,
  { style, now }: { readonly style: Style; readonly now: number },
): readonly string[] {
  const where = view.schema === null ? view.resource : `${view.resource}, schema ${view.schema}`;
  const heading = `${paint(style, 'bold', view.service)} in ${view.environment} (${where})`;
  if (view.migrations.length === 0) return [heading, '  no migrations'];
  const rows = view.migrations.map((migration) => [
    migration.file,
    stateText(migration, style),
    migration.appliedAt === null ? '' : relativeText(migration.appliedAt, now),
    migration.release === null ? '' : shortRelease(migration.release),
    undoText(migration),
  ]);
  const columns = [{ title: 'MIGRATION' }, { title: 'STATE' }, { title: 'WHEN' }, { title: 'BY' }, { title: 'UNDO' }];
  return [
    heading,
    ...table(style, columns, rows).map((line) => `  ${line}`),
    ...view.migrations.flatMap(({ text }) =>
      text === null ? [] : [`  ${paint(style, 'yellow', 'deferred')} ${text}`],
    ),
    ...(view.migrations.some(({ state }) => state === 'ready')
      ? [
          paint(
            style,
            'dim',
            `  run what is ready: \`veza migrations contract ${view.service} -e ${view.environment}\``,
          ),
        ]
      : []),
  ];
}

function stateText({ state }: Migration, style: Style): string {
  switch (state) {
    case 'applied':
      return paint(style, 'green', state);
    case 'deferred':
    case 'ready':
      return paint(style, 'yellow', state);
    default:
      return state;
  }
}

const undoText = ({ undo, irreversible }: Migration): string =>
  undo === 'file' ? 'yes' : undo === 'irreversible' ? `no: ${irreversible ?? ''}` : undo === 'unknown' ? 'unknown' : '';
