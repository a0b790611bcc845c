import { nearest } from '../spec/nearest.ts';
import { inFolderOrder, MIGRATION_KINDS, type MigrationKind } from './kinds.ts';

/** How a file is to be run, as its first lines say. */
export interface Directives {
  /** False: outside of one, each statement by itself. */
  readonly transaction: boolean;
  /** Its one statement is run again until it touches nothing more, each time in a transaction of its own. */
  readonly batch: boolean;
  /** Why it cannot be taken back; null when nothing is said. */
  readonly irreversible: string | null;
}

/** A file that takes a migration back. */
export interface UndoText {
  readonly file: string;
  readonly sql: string;
}

/** A migration of a folder; its SQL is not looked at here. */
export interface MigrationText {
  readonly file: string;
  readonly number: number;
  readonly name: string;
  readonly kind: MigrationKind;
  /** With LF line ends. */
  readonly sql: string;
  /** What its checksum is of: the same on every system, and whether or not it says that it is irreversible. */
  readonly identity: string;
  readonly directives: Directives;
  readonly undo: UndoText | null;
}

export interface Folder {
  /** In order: by number, expand before migrate before contract. */
  readonly migrations: readonly MigrationText[];
  /** Every mistake that can be seen without reading SQL. */
  readonly problems: readonly string[];
}

const FILE_NAME = new RegExp(`^(\\d{4})_([a-z0-9][a-z0-9_-]*)\\.(${MIGRATION_KINDS.join('|')})(\\.undo)?\\.sql$`);
const EXPECTED_NAME = `expected \`NNNN_name.KIND.sql\` with ${MIGRATION_KINDS.join(', ')} for KIND (and .undo for what takes it back), in lower case`;

/** Written at the beginning of a file's first lines. */
const MARK = '-- veza:';
const DIRECTIVES = ['no-transaction', 'batch', 'irreversible'] as const;

/** Reads names and first lines of a folder's files; what is no `.sql` is left out. */
export function readFolder(files: readonly { readonly name: string; readonly text: string }[]): Folder {
  const problems: string[] = [];
  const migrations: MigrationText[] = [];
  const undos = new Map<string, UndoText>();
  const ordered = files.filter(({ name }) => name.endsWith('.sql')).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name: file, text } of ordered) {
    const match = FILE_NAME.exec(file);
    if (match === null) {
      problems.push(`${file}: ${EXPECTED_NAME}`);
      continue;
    }
    const sql = text.replaceAll('\r\n', '\n');
    const kind = match[3] as MigrationKind;
    const isUndo = match[4] !== undefined;
    const { directives, rest, wrong } = readDirectives(sql, kind, isUndo);
    problems.push(...wrong.map((what) => `${file}: ${what}`));
    if (isUndo) {
      undos.set(file.replace(/\.undo\.sql$/, '.sql'), { file, sql });
      continue;
    }
    const [number, name] = [Number(match[1]), match[2] ?? ''];
    migrations.push({ file, number, name, kind, sql, identity: rest, directives, undo: null });
  }
  const whole = migrations
    .map((migration) => ({ ...migration, undo: undos.get(migration.file) ?? null }))
    .toSorted((a, b) => inFolderOrder(a, b));
  for (const [of, { file }] of undos) {
    if (!whole.some((migration) => migration.file === of))
      problems.push(`${file}: there is no ${of} that it takes back`);
  }
  problems.push(...numberProblems(whole), ...whole.flatMap(undoProblems));
  return { migrations: whole, problems };
}

/** How a text is to be run, by its first lines; what is wrong with them is left to {@link readFolder}. */
export const directivesOf = (sql: string): Directives => readDirectives(sql, 'migrate', false).directives;

function readDirectives(
  sql: string,
  kind: MigrationKind,
  isUndo: boolean,
): { readonly directives: Directives; readonly rest: string; readonly wrong: readonly string[] } {
  const lines = sql.split('\n');
  const first = lines.findIndex((line) => !line.startsWith(MARK));
  const length = first === -1 ? lines.length : first;
  const wrong: string[] = [];
  const said = new Map<string, string>();
  for (const line of lines.slice(0, length)) {
    const [, name = '', , value = ''] = /^([a-z-]*)(:\s*(.*))?$/.exec(line.slice(MARK.length).trim()) ?? [];
    if (!DIRECTIVES.some((known) => known === name)) {
      const meant = nearest(name, DIRECTIVES);
      wrong.push(
        `\`${line.trim()}\` means nothing${meant === null ? `: one of ${DIRECTIVES.join(', ')}` : `; did you mean \`${MARK}${meant}\`?`}`,
      );
    } else if (name === 'irreversible' && value.trim() === '') {
      wrong.push(`\`${line.trim()}\` does not say why: \`${MARK}irreversible: the old names are gone\``);
    } else said.set(name, value.trim());
  }
  const late = lines.findIndex((line, index) => index >= length && line.startsWith(MARK));
  if (late !== -1) wrong.push(`line ${late + 1}: \`${lines[late]?.trim() ?? ''}\` counts in the first lines only`);
  const batch = said.has('batch');
  if (batch && kind !== 'migrate') wrong.push(`\`${MARK}batch\` is for migrate migrations, which move data`);
  if (batch && said.has('no-transaction'))
    wrong.push(
      `\`${MARK}batch\` and \`${MARK}no-transaction\` exclude each other: each batch is a transaction of its own`,
    );
  if (isUndo && said.has('irreversible')) wrong.push('what takes something back is not irreversible itself');
  return {
    directives: { transaction: !said.has('no-transaction'), batch, irreversible: said.get('irreversible') ?? null },
    rest: lines.filter((line, index) => index >= length || !line.startsWith(`${MARK}irreversible`)).join('\n'),
    wrong,
  };
}

function numberProblems(migrations: readonly MigrationText[]): readonly string[] {
  const problems: string[] = [];
  const seen: MigrationText[] = [];
  let last = 0;
  for (const migration of migrations) {
    const other = seen.find(
      ({ number, kind, name }) => number === migration.number && (kind === migration.kind || name !== migration.name),
    );
    if (other !== undefined)
      problems.push(`${migration.file}: number ${pad(migration.number)} is taken by ${other.file}`);
    if (migration.number > last + 1) {
      const missing =
        migration.number === last + 2 ? pad(last + 1) : `${pad(last + 1)} to ${pad(migration.number - 1)}`;
      problems.push(`${migration.file}: ${missing} is missing before it`);
    }
    if (migration.number === 0) problems.push(`${migration.file}: numbers begin with 0001`);
    seen.push(migration);
    last = Math.max(last, migration.number);
  }
  return problems;
}

/** Each migration can be taken back, or says why not. */
function undoProblems({ file, directives, undo }: MigrationText): readonly string[] {
  const { irreversible } = directives;
  const undoFile = file.replace(/\.sql$/, '.undo.sql');
  if (undo !== null && irreversible !== null)
    return [`${file}: says that it is irreversible, and ${undoFile} takes it back: one of the two`];
  if (undo !== null || irreversible !== null) return [];
  return [
    `${file}: nothing says how it is taken back: add ${undoFile}, or make its first line \`${MARK}irreversible: why\``,
  ];
}

const pad = (number: number): string => String(number).padStart(4, '0');
