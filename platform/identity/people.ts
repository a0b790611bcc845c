import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import { emailAddress } from './email.ts';
import type { IdentityTables } from './schema.ts';

/** One line to show: no control characters, no direction overrides, nothing but blanks. */
const displayName = z
  .string()
  .trim()
  .normalize('NFC')
  .min(1)
  .max(80)
  .regex(/^[^\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]*$/u, 'has characters that cannot be shown');

export const registration = z
  .strictObject({
    email: emailAddress,
    /** Length is what counts; no rules about kinds of characters (NIST SP 800-63B section 3.1.1.2). */
    password: z.string().min(8).max(256),
    displayName,
    language: z
      .string()
      .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}$/, 'is not a language tag such as en or pt-BR')
      .default('en'),
  })
  .refine(({ email, password }) => password.trim().toLowerCase() !== email, {
    path: ['password'],
    error: 'is the e-mail address',
  });
export type Registration = z.output<typeof registration>;

export interface Account {
  readonly id: string;
  readonly email: string;
  readonly passwordHash: string;
  readonly disabled: boolean;
}

/** Who can log in. */
export class People {
  readonly #db: Kysely<IdentityTables>;
  readonly #clock: () => number;

  constructor(db: Kysely<IdentityTables>, clock: () => number) {
    this.#db = db;
    this.#clock = clock;
  }

  /**
   * Makes an account and, in the same transaction, what `andThen` makes for it.
   *
   * @returns null when the address has an account already
   */
  async register<T>(
    person: Registration,
    passwordHash: string,
    andThen: (db: Kysely<IdentityTables>, personId: string) => Promise<T>,
  ): Promise<T | null> {
    return await this.#db.transaction().execute(async (transaction) => {
      const made = await transaction
        .insertInto('people')
        .values({
          id: randomUUID(),
          email: person.email,
          password_hash: passwordHash,
          display_name: person.displayName,
          language: person.language,
          created_at: new Date(this.#clock()),
          disabled_at: null,
        })
        .onConflict((conflict) => conflict.column('email').doNothing())
        .returning('id')
        .executeTakeFirst();
      return made === undefined ? null : await andThen(transaction, made.id);
    });
  }

  async find(by: { readonly email: string } | { readonly id: string }): Promise<Account | null> {
    const select = this.#db.selectFrom('people').select(['id', 'email', 'password_hash', 'disabled_at']);
    const row = await (
      'email' in by ? select.where('email', '=', by.email) : select.where('id', '=', by.id)
    ).executeTakeFirst();
    if (row === undefined) return null;
    return { id: row.id, email: row.email, passwordHash: row.password_hash, disabled: row.disabled_at !== null };
  }

  /** What a person sees of themselves, as long as the session lasts. */
  async inSession(personId: string, sessionId: string) {
    const row = await this.#db
      .selectFrom('people')
      .innerJoin('sessions', 'sessions.person_id', 'people.id')
      .select(['people.id', 'people.email', 'people.display_name', 'people.language'])
      .where('people.id', '=', personId)
      .where('sessions.id', '=', sessionId)
      .where('sessions.ended_at', 'is', null)
      .executeTakeFirst();
    if (row === undefined) return null;
    return { id: row.id, email: row.email, displayName: row.display_name, language: row.language };
  }

  /** Replaces a hash, unless the password was changed meanwhile. */
  async rehash(personId: string, from: string, to: string): Promise<void> {
    await this.#db
      .updateTable('people')
      .set({ password_hash: to })
      .where('id', '=', personId)
      .where('password_hash', '=', from)
      .execute();
  }

  /** Refuses every further log-in and refresh, for good: the first step of erasing somebody. */
  async disable(personId: string): Promise<void> {
    const now = new Date(this.#clock());
    await this.#db.transaction().execute(async (transaction) => {
      await transaction
        .updateTable('people')
        .set({ disabled_at: now })
        .where('id', '=', personId)
        .where('disabled_at', 'is', null)
        .execute();
      await transaction
        .updateTable('sessions')
        .set({ ended_at: now, ended_because: 'disabled' })
        .where('person_id', '=', personId)
        .where('ended_at', 'is', null)
        .execute();
    });
  }
}
