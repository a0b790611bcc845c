import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { personalData as apiData } from '../api/personal-data.ts';
import { personalData as chatData } from '../chat/personal-data.ts';
import { personalData as identityData } from '../identity/personal-data.ts';
import { freshDatabase, type FreshDatabase } from '../rig/fresh-database.ts';
import type { ServicePersonalData } from './catalogue.ts';
import { eraseRows } from './personal-data.ts';
import { connect } from '../database/connect.ts';
import { createMetrics } from '../kit/metrics.ts';
import { createLog } from '../kit/log.ts';

const CATALOGUES = [identityData, apiData, chatData];
/** Written by the migrations of every deployment, of no service's own. */
const OF_MIGRATIONS = new Set(['veza_migrations']);

let database: FreshDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await freshDatabase(['identity', 'api', 'chat']);
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

/** What is in the migrated database and in no catalogue, and the other way round. */
async function differences(catalogues: readonly ServicePersonalData[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string; table: string }>(`
    select table_schema || '.' || table_name || '.' || column_name as name, table_name as table
    from information_schema.columns
    where table_schema not in ('pg_catalog', 'information_schema') and table_schema <> 'public'`);
  const migrated = new Set(rows.filter(({ table }) => !OF_MIGRATIONS.has(table)).map(({ name }) => name));
  const catalogued = new Set<string>();
  const wrong: string[] = [];
  for (const { schema, tables } of catalogues) {
    for (const [table, entry] of Object.entries(tables)) {
      const columns = entry.personal ? Object.keys(entry.columns) : entry.columns;
      for (const column of columns) catalogued.add(`${schema}.${table}.${column}`);
      if (!entry.personal || typeof entry.erase === 'string') continue;
      for (const column of columns) {
        const said = Number(column in entry.erase.anonymise) + Number(column in entry.erase.kept);
        if (said !== 1) wrong.push(`${schema}.${table}.${column}: said ${said} times what becomes of it`);
      }
    }
  }
  for (const name of migrated) if (!catalogued.has(name)) wrong.push(`${name}: in no catalogue`);
  for (const name of catalogued) if (!migrated.has(name)) wrong.push(`${name}: in a catalogue only`);
  return wrong.toSorted();
}

test('every table and column of every service is in its catalogue of personal data', async () => {
  expect(await differences(CATALOGUES)).toEqual([]);
});

test.each([
  ['a new column of a table of people', 'alter table api.profiles add column shoe_size int', 'api.profiles.shoe_size'],
  ['a new column of another table', 'alter table chat.departures add column why text', 'chat.departures.why'],
  ['a new table', 'create table identity.devices (id int)', 'identity.devices.id'],
  ['a new schema', 'create schema later create table things (id int)', 'later.things.id'],
])('%s is found when no catalogue has it', async (_name, migration, found) => {
  await client.query('begin');
  try {
    await client.query(migration);
    expect(await differences(CATALOGUES)).toEqual([`${found}: in no catalogue`]);
  } finally {
    await client.query('rollback');
  }
});

test('a column that an erasure neither changes nor keeps for a reason is found', async () => {
  const messages = chatData.tables['messages'];
  if (messages?.personal !== true || typeof messages.erase === 'string') throw new Error('messages are anonymised');
  const { text: _text, ...anonymise } = messages.erase.anonymise;
  const careless = { ...messages, erase: { ...messages.erase, anonymise } };
  const tables = { ...chatData.tables, messages: careless };
  expect(await differences([identityData, apiData, { ...chatData, tables }])).toEqual([
    'chat.messages.text: said 0 times what becomes of it',
  ]);
});

test('rows that outlive their erasure undo it and fail it', async () => {
  const person = '6b5b3b52-5c7d-4a55-9a1e-0d5b8a4f7c10';
  await client.query(`insert into chat.members values ($1, 'Left over')`, [person]);
  const log = createLog({ level: 'silent', base: {} });
  const connected = connect<object>({
    url: database.url,
    schema: 'chat',
    metrics: createMetrics({ service: 'chat' }),
    log,
  });
  try {
    const members = chatData.tables['members'];
    if (members?.personal !== true) throw new Error('members are people');
    const broken: ServicePersonalData = { ...chatData, tables: { members: { ...members, erase: 'cascade' } } };
    await expect(eraseRows(connected.write, broken, person)).rejects.toThrow(/chat\.members outlive/);
    expect(await eraseRows(connected.write, chatData, person)).toMatchObject({ members: 1 });
  } finally {
    await connected.close();
  }
});
