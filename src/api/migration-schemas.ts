import { z } from 'zod';
import { MIGRATION_KINDS } from '../core/migrations/kinds.ts';

const list = <T extends z.ZodType>(item: T) => z.array(item).readonly();
const time = z.number().describe('UTC milliseconds');

/** A release because of which a contract migration is deferred. */
export const MigrationHolderSchema = z
  .object({
    environment: z.string(),
    service: z.string(),
    release: z.string(),
    role: z
      .enum(['live', 'candidate', 'queued', 'warm', 'rollback'])
      .describe('why it can get traffic; rollback: `veza rollback` would go back to it'),
    slot: z.enum(['blue', 'green']).nullable(),
    deployment: z.string().nullable(),
    until: time.nullable().describe('when that ends by itself, if it does'),
  })
  .readonly();

export const MigrationSchema = z
  .object({
    file: z.string(),
    number: z.number(),
    kind: z.enum(MIGRATION_KINDS),
    state: z
      .enum(['applied', 'pending', 'ready', 'deferred', 'ahead'])
      .describe(
        'pending: the next deployment of a release with it applies it; ready, deferred: a contract that may be run now, or not yet; ' +
          'ahead: applied by a release that is not live any more',
      ),
    appliedAt: time.nullable(),
    release: z.string().nullable().describe('that brought it'),
    undo: z
      .enum(['file', 'irreversible', 'unknown'])
      .nullable()
      .describe('how it is taken back; null until it is applied'),
    irreversible: z.string().nullable().describe('why it cannot be'),
    waitsFor: z
      .object({ releases: list(MigrationHolderSchema), migrations: list(z.string()) })
      .readonly()
      .nullable()
      .describe('of a deferred one: who needs the old form, and what must be applied first'),
    text: z.string().nullable().describe('the same in words'),
  })
  .readonly();

export const MigrationsSchema = z
  .object({
    environment: z.string(),
    service: z.string(),
    release: z.string().describe('the live one, whose folder it is'),
    resource: z.string(),
    schema: z.string().nullable().describe('null: the one that the login begins in'),
    migrations: list(MigrationSchema).describe('by number'),
  })
  .readonly();
export type MigrationsView = z.infer<typeof MigrationsSchema>;

export const MigrationProgressSchema = z.object({ text: z.string() }).readonly();
export type MigrationProgressView = z.infer<typeof MigrationProgressSchema>;

const environment = z.string().min(1).nullable().default(null);

export const MigrationsQuerySchema = z
  .object({
    environment,
    service: z.string().min(1).nullable().default(null).describe('null: all that have migrations'),
  })
  .readonly();

export const ContractRequestSchema = z
  .strictObject({
    environment,
    service: z.string().min(1),
    giveUpRollback: z
      .boolean()
      .default(false)
      .describe('also when the release that `veza rollback` would go back to needs the old form, and runs nowhere'),
  })
  .readonly();
export type ContractRequest = z.output<typeof ContractRequestSchema>;

export const UndoRequestSchema = z
  .strictObject({
    environment,
    service: z.string().min(1),
    to: z
      .number()
      .int()
      .min(0)
      .max(9_999)
      .nullable()
      .default(null)
      .describe('everything above this number; null: what was applied last, and nothing else'),
  })
  .readonly();
export type UndoRequest = z.output<typeof UndoRequestSchema>;
