import type { AlterTableCmd, Constraint, Node, ObjectType } from '@pgsql/types';

/** A statement of a migration, as PostgreSQL's own grammar sees it. */
export interface ParsedStatement {
  readonly sql: string;
  /** Line in the file, from 1. */
  readonly line: number;
  readonly node: Node;
}

/** What takes something away that the release in production may use, by line. */
export interface Destructive {
  readonly line: number;
  readonly what: string;
}

/**
 * Finds the statements that must not be in an expand migration: it runs while the stable release serves users, and a
 * deployment that is taken back leaves its expand migrations in place, so the stable release must be able to live with them.
 *
 * Reads what is declared, not what is meant: code inside functions is looked at by its words only, and a new constraint
 * that the stable release's writes would break is not found.
 *
 * @see https://martinfowler.com/bliki/ParallelChange.html
 */
export function findDestructive(statements: readonly ParsedStatement[]): readonly Destructive[] {
  // What the same file creates, nobody uses yet.
  const created = new Set(statements.flatMap(({ node }) => createdBy(node)));
  return statements.flatMap(({ node, line }) =>
    destructiveParts(node, created).map((what) => ({
      line,
      what,
    })),
  );
}

/**
 * Why a statement that is run again and again until it touches nothing would never come to that, or null when it may.
 *
 * Whether its condition really finds fewer rows each time is for its author to say.
 */
export function endsByItself(node: Node): string | null {
  if ('DeleteStmt' in node || 'MergeStmt' in node) return null;
  if ('UpdateStmt' in node)
    return node.UpdateStmt.whereClause === undefined
      ? 'an UPDATE without WHERE touches every row again each time: say which rows are not done yet'
      : null;
  if ('InsertStmt' in node) {
    const { selectStmt } = node.InsertStmt;
    const selects =
      selectStmt !== undefined && 'SelectStmt' in selectStmt && selectStmt.SelectStmt.valuesLists === undefined;
    return selects ? null : 'an INSERT of values inserts them each time: insert what a SELECT finds missing';
  }
  return 'only INSERT, UPDATE, DELETE and MERGE tell how many rows they touched';
}

/** Why the statement cannot be run inside a transaction, or null when it can. */
export function outsideTransaction(node: Node): string | null {
  if ('IndexStmt' in node && node.IndexStmt.concurrent === true) return 'CREATE INDEX CONCURRENTLY';
  if ('DropStmt' in node && node.DropStmt.concurrent === true) return 'DROP INDEX CONCURRENTLY';
  if ('VacuumStmt' in node && node.VacuumStmt.is_vacuumcmd === true) return 'VACUUM';
  if ('CreatedbStmt' in node) return 'CREATE DATABASE';
  if ('DropdbStmt' in node) return 'DROP DATABASE';
  if ('AlterSystemStmt' in node) return 'ALTER SYSTEM';
  if ('ReindexStmt' in node && JSON.stringify(node.ReindexStmt.params ?? []).includes('"concurrently"')) {
    return 'REINDEX CONCURRENTLY';
  }
  return null;
}

const REPLACEABLE: readonly ObjectType[] = ['OBJECT_INDEX', 'OBJECT_TRIGGER', 'OBJECT_POLICY', 'OBJECT_RULE'];

function destructiveParts(node: Node, created: ReadonlySet<string>): readonly string[] {
  if ('DropStmt' in node) {
    const type = node.DropStmt.removeType ?? 'OBJECT_TABLE';
    const objects = (node.DropStmt.objects ?? []).map(objectName);
    // `DROP TRIGGER IF EXISTS x; CREATE TRIGGER x`: replaced, not taken away.
    if (REPLACEABLE.includes(type) && objects.every((name) => created.has(name))) return [];
    return [`DROP ${words(type)} ${objects.join(', ')}`];
  }
  if ('RenameStmt' in node) {
    const { renameType, relation, subname, newname } = node.RenameStmt;
    if (renameType === 'OBJECT_INDEX') return [];
    const what = [relation?.relname, subname].filter((part) => part !== undefined).join('.');
    return [`RENAME ${words(renameType ?? 'OBJECT_TABLE')} ${what} TO ${newname ?? ''}`];
  }
  if ('AlterObjectSchemaStmt' in node) {
    const { relation, newschema } = node.AlterObjectSchemaStmt;
    return [`${relation?.relname ?? 'an object'} SET SCHEMA ${newschema ?? ''}`];
  }
  if ('AlterEnumStmt' in node && node.AlterEnumStmt.oldVal !== undefined) {
    return [`RENAME VALUE ${node.AlterEnumStmt.oldVal}`];
  }
  if ('TruncateStmt' in node) return [`TRUNCATE ${(node.TruncateStmt.relations ?? []).map(objectName).join(', ')}`];
  if ('DeleteStmt' in node && node.DeleteStmt.whereClause === undefined) {
    return [`DELETE FROM ${node.DeleteStmt.relation?.relname ?? ''} without WHERE`];
  }
  if ('DropdbStmt' in node) return [`DROP DATABASE ${node.DropdbStmt.dbname ?? ''}`];
  if ('DropOwnedStmt' in node) return ['DROP OWNED'];
  if ('DropRoleStmt' in node) return ['DROP ROLE'];
  if ('GrantStmt' in node && node.GrantStmt.is_grant !== true) return ['REVOKE'];
  if ('DoStmt' in node) return destructiveWords('a DO block', JSON.stringify(node.DoStmt.args ?? []));
  if ('AlterTableStmt' in node) {
    const { relation, cmds } = node.AlterTableStmt;
    const table = relation?.relname ?? '';
    if (created.has(table)) return [];
    return (cmds ?? []).flatMap((each) => ('AlterTableCmd' in each ? alterTablePart(table, each.AlterTableCmd) : []));
  }
  return [];
}

function alterTablePart(table: string, command: AlterTableCmd): readonly string[] {
  const column = `${table}.${command.name ?? ''}`;
  switch (command.subtype) {
    case 'AT_DropColumn':
      return [`DROP COLUMN ${column}`];
    case 'AT_AlterColumnType':
      return [`ALTER COLUMN ${column} TYPE`];
    case 'AT_SetNotNull':
      return [`ALTER COLUMN ${column} SET NOT NULL`];
    case 'AT_ColumnDefault':
      return command.def === undefined ? [`ALTER COLUMN ${column} DROP DEFAULT`] : [];
    case 'AT_DropIdentity':
    case 'AT_DropExpression':
      return [`ALTER COLUMN ${column} DROP ${command.subtype === 'AT_DropIdentity' ? 'IDENTITY' : 'EXPRESSION'}`];
    case 'AT_DetachPartition':
      return [`DETACH PARTITION of ${table}`];
    case 'AT_AddConstraint':
      return command.def !== undefined &&
        'Constraint' in command.def &&
        command.def.Constraint.contype === 'CONSTR_NOTNULL'
        ? [`ADD NOT NULL on an existing column of ${table}`]
        : [];
    case 'AT_AddColumn':
      return command.def !== undefined && 'ColumnDef' in command.def ? addColumnPart(table, command.def.ColumnDef) : [];
    default:
      return [];
  }
}

const FILLED: readonly Constraint['contype'][] = ['CONSTR_DEFAULT', 'CONSTR_IDENTITY', 'CONSTR_GENERATED'];
const SERIAL = /^(small|big)?serial[248]?$/;

function addColumnPart(
  table: string,
  column: { readonly colname?: string; readonly typeName?: { names?: Node[] }; readonly constraints?: Node[] },
): readonly string[] {
  const kinds = (column.constraints ?? []).flatMap((each) => ('Constraint' in each ? [each.Constraint.contype] : []));
  const required = kinds.includes('CONSTR_NOTNULL') || kinds.includes('CONSTR_PRIMARY');
  const filled = kinds.some((kind) => FILLED.includes(kind)) || SERIAL.test(nameOf(column.typeName?.names?.at(-1)));
  return required && !filled ? [`ADD COLUMN ${table}.${column.colname ?? ''} NOT NULL without DEFAULT`] : [];
}

function destructiveWords(where: string, code: string): readonly string[] {
  const match = /\b(drop|truncate|rename|alter\s+column|set\s+not\s+null|execute)\b/i.exec(code);
  return match === null ? [] : [`${where} with ${(match[1] ?? '').toUpperCase()}`];
}

function createdBy(node: Node): readonly string[] {
  if ('CreateStmt' in node) return [node.CreateStmt.relation?.relname ?? ''];
  if ('IndexStmt' in node) return [node.IndexStmt.idxname ?? ''];
  if ('CreateTrigStmt' in node) return [node.CreateTrigStmt.trigname ?? ''];
  if ('CreatePolicyStmt' in node) return [node.CreatePolicyStmt.policy_name ?? ''];
  if ('RuleStmt' in node) return [node.RuleStmt.rulename ?? ''];
  return [];
}

/** The last part of an object's name, which is what statements of one file are told apart by. */
function objectName(node: Node): string {
  if ('List' in node) return nameOf(node.List.items?.at(-1));
  if ('RangeVar' in node) return node.RangeVar.relname ?? '';
  if ('TypeName' in node) return nameOf(node.TypeName.names?.at(-1));
  if ('ObjectWithArgs' in node) return nameOf(node.ObjectWithArgs.objname?.at(-1));
  return nameOf(node);
}

function nameOf(node: Node | undefined): string {
  return node !== undefined && 'String' in node ? (node.String.sval ?? '') : '';
}

function words(type: ObjectType): string {
  return type.slice('OBJECT_'.length).replaceAll('_', ' ');
}
