import type { ColumnType } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase } from '../rig/fresh-database.ts';
import { personalData } from './personal-data.ts';
import type { ApiTables } from './schema.ts';

type Selected<Column> = Column extends ColumnType<infer Select, unknown, unknown> ? Select : Column;
type Inserted<Column> = Column extends ColumnType<unknown, infer Insert, unknown> ? Insert : Column;
type Nullability<Column> =
  unknown extends Selected<Column> ? 'required' : null extends Selected<Column> ? 'nullable' : 'required';
/** `made`: by the database alone. `default`: by the database when it is not given. */
type Origin<Column> = [Inserted<Column>] extends [never]
  ? 'made'
  : undefined extends Inserted<Column>
    ? 'default'
    : null extends Inserted<Column>
      ? 'default'
      : 'given';
type Kind<Column> =
  Selected<Column> extends infer Value
    ? unknown extends Value
      ? 'tsvector'
      : NonNullable<Value> extends number
        ? 'integer' | 'bigint'
        : NonNullable<Value> extends Date
          ? 'timestamp with time zone'
          : NonNullable<Value> extends string
            ? 'text' | 'uuid'
            : never
    : never;
type Described<Table> = {
  readonly [Name in keyof Table]: readonly [Kind<Table[Name]>, Nullability<Table[Name]>, Origin<Table[Name]>];
};

// What schema.ts says, as values: the compiler refuses whatever differs from its types, the test what differs from PostgreSQL.
const described: { readonly [Table in keyof ApiTables]: Described<ApiTables[Table]> } = {
  profiles: {
    person_id: ['uuid', 'required', 'given'],
    display_name: ['text', 'required', 'given'],
    bio: ['text', 'required', 'default'],
    language: ['text', 'required', 'default'],
    gender: ['text', 'nullable', 'default'],
    version: ['integer', 'required', 'default'],
    created_at: ['timestamp with time zone', 'required', 'default'],
    updated_at: ['timestamp with time zone', 'required', 'default'],
    search: ['tsvector', 'required', 'made'],
  },
  tracks: {
    id: ['uuid', 'required', 'given'],
    artist_id: ['uuid', 'required', 'given'],
    title: ['text', 'required', 'given'],
    language: ['text', 'required', 'given'],
    genre: ['text', 'required', 'given'],
    duration_ms: ['integer', 'nullable', 'default'],
    bytes: ['integer', 'required', 'given'],
    sha256: ['text', 'required', 'given'],
    content_type: ['text', 'required', 'given'],
    state: ['text', 'required', 'default'],
    created_at: ['timestamp with time zone', 'required', 'default'],
    published_at: ['timestamp with time zone', 'nullable', 'default'],
    upload_until: ['timestamp with time zone', 'nullable', 'default'],
    search: ['tsvector', 'required', 'made'],
  },
  plays: {
    seq: ['bigint', 'required', 'made'],
    id: ['uuid', 'required', 'given'],
    person_id: ['uuid', 'required', 'given'],
    track_id: ['uuid', 'required', 'given'],
    ms: ['integer', 'required', 'given'],
    played_at: ['timestamp with time zone', 'required', 'default'],
  },
  playlists: {
    id: ['uuid', 'required', 'given'],
    owner_id: ['uuid', 'required', 'given'],
    name: ['text', 'required', 'given'],
    visibility: ['text', 'required', 'default'],
    version: ['integer', 'required', 'default'],
    created_at: ['timestamp with time zone', 'required', 'default'],
    updated_at: ['timestamp with time zone', 'required', 'default'],
  },
  playlist_tracks: {
    playlist_id: ['uuid', 'required', 'given'],
    position: ['integer', 'required', 'given'],
    track_id: ['uuid', 'required', 'given'],
  },
  erasures: {
    id: ['uuid', 'required', 'given'],
    subject: ['text', 'required', 'given'],
    sealed_person: ['text', 'nullable', 'default'],
    state: ['text', 'required', 'default'],
    done: ['text', 'required', 'default'],
    requested_at: ['timestamp with time zone', 'required', 'default'],
    erased_at: ['timestamp with time zone', 'nullable', 'default'],
    settled_at: ['timestamp with time zone', 'nullable', 'default'],
    due_at: ['timestamp with time zone', 'required', 'default'],
    leased_until: ['timestamp with time zone', 'nullable', 'default'],
    epoch: ['integer', 'required', 'default'],
    failures: ['integer', 'required', 'default'],
    failed_step: ['text', 'nullable', 'default'],
  },
};

let database: Awaited<ReturnType<typeof freshDatabase>>;
let client: pg.Client;

beforeAll(async () => {
  database = await freshDatabase(['api']);
  client = new pg.Client({ connectionString: database.url, options: '-c search_path=api' });
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

describe('the tables as Kysely sees them', () => {
  it('are the migrated ones, column by column', async () => {
    const { rows } = await client.query<{
      table_name: string;
      column_name: string;
      data_type: string;
      is_nullable: string;
      origin: string;
    }>(`
      SELECT table_name, column_name, data_type, is_nullable,
             CASE WHEN is_identity = 'YES' OR is_generated = 'ALWAYS' THEN 'made'
                  WHEN column_default IS NOT NULL OR is_nullable = 'YES' THEN 'default' ELSE 'given' END AS origin
        FROM information_schema.columns WHERE table_schema = 'api' AND table_name <> 'veza_migrations'`);
    const migrated: Record<string, Record<string, readonly string[]>> = {};
    for (const row of rows) {
      const columns = (migrated[row.table_name] ??= {});
      columns[row.column_name] = [row.data_type, row.is_nullable === 'YES' ? 'nullable' : 'required', row.origin];
    }

    expect(migrated).toEqual(described);
  });

  it('are all in the catalogue of personal data, column by column', () => {
    const catalogued = Object.entries(personalData.tables).map(([table, { columns }]) => [
      table,
      (Array.isArray(columns) ? [...columns] : Object.keys(columns)).sort(),
    ]);

    expect(Object.fromEntries(catalogued)).toEqual(
      Object.fromEntries(Object.entries(described).map(([table, columns]) => [table, Object.keys(columns).sort()])),
    );
  });
});

describe('how words are folded', () => {
  const fold = async (text: string): Promise<unknown> =>
    (await client.query<{ folded: string }>('SELECT fold($1) AS folded', [text])).rows[0]?.folded;

  it.each([
    ['Beyoncé', 'beyonce'],
    ['SMØRREBRØD', 'smorrebrod'],
    ['Weiß & Łódź', 'weiss lodz'],
    ['  AC/DC — “live”  ', 'ac dc live'],
    ["d'être l’été", 'd etre l ete'],
    ['ﬁancé ①', 'fiance 1'],
    ['ДЖАЗ Ёлка', 'джаз елка'],
    ['東京 ジャズ', '東京 ジャズ'],
    ['한국 음악', '한국 음악'],
    ['ΟΔΥΣΣΕΥΣ Οδυσσεύς', 'οδυσσευσ οδυσσευσ'],
    ['ÆØÅ ŒUVRE Þór', 'aeoa oeuvre thor'],
    ['İstanbul ılık', 'istanbul ilik'],
    ["x':* & !y\\ | (z)", 'x y z'],
  ])('%s becomes %s', async (text, folded) => {
    expect(await fold(text)).toBe(folded);
  });
});
