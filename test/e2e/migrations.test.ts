import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { DeployAnswerSchema, EventSchema, StatusSchema } from '../../src/api/schemas.ts';
import { MigrationsSchema, type MigrationsView } from '../../src/api/migration-schemas.ts';
import { problemOf, Sandbox, type Outcome } from './bad-input-sandbox.ts';
import { succeeds } from './succeeds.ts';

// Two releases side by side on one schema, forward, back, forward again; then the old form is taken away, once nobody can come
// back to need it.

let sandbox: Sandbox | null = null;
let traffic: Traffic | null = null;

afterEach(async ({ task }) => {
  await traffic?.stop();
  // What became of it is gone with the sandbox.
  if (task.result?.state === 'fail') console.log((await sandbox?.veza(['deployments']))?.stdout, await sandbox?.log());
  await sandbox?.[Symbol.asyncDispose]();
  [sandbox, traffic] = [null, null];
});

const PG = pathToFileURL(join(import.meta.dirname, '../../node_modules/pg/esm/index.mjs')).href;

/** Keeps notes in the column that its release knows. */
const program = (version: string, column: string): string => `import { createServer } from 'node:http';
import pg from ${JSON.stringify(PG)};
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 4, options: '-c search_path=notes' });
pool.on('error', () => undefined);
const server = createServer(async (request, response) => {
  response.setHeader('x-version', ${JSON.stringify(version)});
  try {
    if (request.url === '/health') {
      await pool.query('SELECT ${column} FROM notes LIMIT 1');
      return response.end('well');
    }
    if (request.method === 'POST') {
      let text = '';
      for await (const chunk of request) text += chunk;
      const { rows } = await pool.query('INSERT INTO notes (${column}) VALUES ($1) RETURNING id', [text]);
      return response.end(String(rows[0].id));
    }
    const { rows } = await pool.query('SELECT ${column} AS text FROM notes WHERE id = $1', [request.url.slice(1)]);
    response.end(rows[0]?.text ?? '(nothing)');
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error));
  }
});
server.listen(Number(process.env.PORT), process.env.HOST);
const metrics = createServer((_, response) => response.end('notes_up{deployment="' + process.env.VEZA_DEPLOYMENT + '"} 1\\n'));
metrics.listen(Number(process.env.METRICS_PORT), process.env.HOST);
process.on('SIGTERM', () => { metrics.close(); server.close(() => process.exit(0)); });
`;

const BEFORE: Readonly<Record<string, string>> = {
  '0001_notes.expand.sql': 'CREATE TABLE notes (id bigserial PRIMARY KEY, body text);',
  '0001_notes.expand.undo.sql': 'DROP TABLE notes;',
};
const AFTER: Readonly<Record<string, string>> = {
  ...BEFORE,
  '0002_text.expand.sql': `ALTER TABLE notes ADD COLUMN text text;
CREATE FUNCTION keep_both() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NEW.text := coalesce(NEW.text, NEW.body); NEW.body := coalesce(NEW.body, NEW.text); RETURN NEW; END $$;
CREATE TRIGGER keep_both BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION keep_both();`,
  '0002_text.expand.undo.sql':
    'DROP TRIGGER keep_both ON notes; DROP FUNCTION keep_both; ALTER TABLE notes DROP COLUMN text;',
  '0002_text.migrate.sql': `-- veza:batch
UPDATE notes SET text = body WHERE id IN (SELECT id FROM notes WHERE text IS NULL LIMIT 50 FOR UPDATE SKIP LOCKED);`,
  '0002_text.migrate.undo.sql': 'SELECT 1;',
  '0002_text.contract.sql':
    'DROP TRIGGER keep_both ON notes; DROP FUNCTION keep_both; ALTER TABLE notes DROP COLUMN body;',
  '0002_text.contract.undo.sql': `ALTER TABLE notes ADD COLUMN body text; UPDATE notes SET body = text;
CREATE FUNCTION keep_both() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NEW.text := coalesce(NEW.text, NEW.body); NEW.body := coalesce(NEW.body, NEW.text); RETURN NEW; END $$;
CREATE TRIGGER keep_both BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION keep_both();`,
};

const notes = {
  source: 'notes',
  run: 'node server.mjs',
  instances: 2,
  metrics: '/metrics',
  health: { path: '/health', stableFor: '100ms' },
  route: { paths: ['/'], sticky: false },
  resources: ['db'],
  proxy: { drain: '1s' },
  stop: { grace: '2s' },
  gates: { migrations: { resource: 'db', directory: 'migrations', schema: 'notes' } },
  strategy: {
    kind: 'canary',
    steps: [50],
    hold: '4s',
    holdback: 0,
    watch: '500ms',
    keepWarm: '30s',
    // Nothing is slow for its own fault on a busy machine.
    limits: { minSuccess: '99%', maxP99: '10s' },
    analysis: { slower: '100%' },
  },
};

/** Writes notes and reads each back, through whichever release answers. */
class Traffic {
  readonly versions = new Set<string>();
  readonly wrong: string[] = [];
  answers = 0;
  readonly #url: string;
  readonly #clients: readonly Promise<void>[];
  #stopped = false;

  constructor(url: string, clients: number) {
    this.#url = url;
    this.#clients = Array.from({ length: clients }, (_, client) => this.#run(client));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }

  async #run(client: number): Promise<void> {
    const earlier: (readonly [id: string, text: string])[] = [];
    for (let turn = 0; !this.#stopped; turn += 1) {
      const text = `note ${turn} of ${client}`;
      const id = await this.#ask('/', text);
      if (id === null) continue;
      earlier.push([id, text]);
      // The new one, and one of long ago, which the other release may have written.
      for (const [known, expected] of [earlier.at(-1), earlier[turn % earlier.length]].flatMap((one) =>
        one ? [one] : [],
      )) {
        const found = await this.#ask(`/${known}`, null);
        if (found !== null && found !== expected) this.wrong.push(`${known}: ${found} instead of ${expected}`);
      }
    }
  }

  async #ask(path: string, body: string | null): Promise<string | null> {
    try {
      const answer = await fetch(`${this.#url}${path}`, {
        ...(body === null ? {} : { method: 'POST', body }),
        signal: AbortSignal.timeout(20_000),
      });
      const text = await answer.text();
      this.answers += 1;
      this.versions.add(answer.headers.get('x-version') ?? '');
      if (answer.status === 200) return text;
      this.wrong.push(`${path}: ${answer.status} ${text}`);
    } catch (error) {
      this.wrong.push(`${path}: ${String(error)}`);
    }
    return null;
  }
}

async function write(platform: Sandbox, version: string, column: string, files: Readonly<Record<string, string>>) {
  const folder = join(platform.dir, 'notes');
  await mkdir(join(folder, 'migrations'), { recursive: true });
  await writeFile(join(folder, 'server.mjs'), program(version, column));
  for (const [name, sql] of Object.entries(files)) await writeFile(join(folder, 'migrations', name), sql);
  await platform.commit(version);
}

const show = async (platform: Sandbox): Promise<MigrationsView> => {
  const { stdout } = await succeeds(platform.veza(['migrations', 'notes', '--json']));
  const [view] = MigrationsSchema.array().parse(JSON.parse(stdout));
  if (view === undefined) throw new Error('no migrations');
  return view;
};
const states = ({ migrations }: MigrationsView): readonly string[] =>
  migrations.map(({ file, state }) => `${file}: ${state}`);

const refused = (outcome: Outcome, code: string): ReturnType<typeof problemOf> => {
  expect(outcome.status).toBe(4);
  const problem = problemOf(outcome);
  expect(problem.code).toBe(code);
  return problem;
};

async function liveRelease(platform: Sandbox): Promise<string> {
  const { services } = StatusSchema.parse(JSON.parse((await succeeds(platform.veza(['status', '--json']))).stdout));
  return services[0]?.stable?.release ?? '';
}

const ended = (platform: Sandbox): Promise<void> =>
  expect
    .poll(
      async () =>
        StatusSchema.parse(JSON.parse((await platform.veza(['status', '--json'])).stdout)).services[0]?.deployment,
      {
        timeout: 60_000,
        interval: 500,
      },
    )
    .toBeNull();

test('two releases on one schema, back and forth, and a contract only when nobody can come back to need the old form', async () => {
  // Given the release before, live in a schema of its own, under traffic.
  const resources = { db: { kind: 'postgres', mode: 'embedded', database: 'notes' } };
  const platform = await Sandbox.create({ platform: { services: { notes }, resources } });
  sandbox = platform;
  await write(platform, 'v1', 'body', BEFORE);
  await succeeds(platform.veza(['up']));
  await succeeds(platform.veza(['deploy', 'notes']));
  const before = await liveRelease(platform);
  expect(states(await show(platform))).toEqual(['0001_notes.expand.sql: applied']);
  const users = new Traffic(platform.url, 4);
  traffic = users;
  await expect.poll(() => users.answers, { timeout: 20_000 }).toBeGreaterThan(200);

  // When the next one comes with an expand and a migrate, then both are used side by side on the same data.
  await write(platform, 'v2', 'text', AFTER);
  const { stdout } = await succeeds(platform.veza(['deploy', 'notes', '--detach', '--json']));
  const deployed = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as unknown;
  const [deployment] = DeployAnswerSchema.parse(deployed).deployments;
  if (deployment === undefined) throw new Error('nothing was deployed');
  await expect.poll(() => [...users.versions].toSorted(), { timeout: 60_000 }).toEqual(['v1', 'v2']);
  expect(users.wrong).toEqual([]);

  const after = deployment.legs[0]?.candidate.release ?? '';

  // And taken back, the schema is as the next one left it, and nobody notices.
  expect((await platform.veza(['abort', deployment.id])).status).toBe(0);
  expect(await liveRelease(platform)).toBe(before);
  expect(states(await show(platform))).toEqual([
    '0001_notes.expand.sql: applied',
    '0002_text.expand.sql: ahead',
    '0002_text.migrate.sql: ahead',
  ]);
  await expect.poll(() => users.answers, { timeout: 20_000 }).toBeGreaterThan(users.answers + 50);
  expect(users.wrong).toEqual([]);

  // When it goes forward again, then its contract waits for the slot that is kept warm, and says until when.
  await succeeds(platform.veza(['deploy', 'notes', '--release', after]));
  const warm = refused(
    await platform.veza(['migrations', 'contract', 'notes', '--give-up-rollback', '--json']),
    'contract-refused',
  );
  expect(warm.detail).toMatch(
    new RegExp(
      `0002_text\\.contract\\.sql: what it takes away is needed by ${before} of notes in development \\((blue|green)\\), kept warm by dep_\\d+ until \\d\\d:\\d\\d:\\d\\d UTC`,
    ),
  );
  const deferred = (await show(platform)).migrations.at(-1);
  expect(deferred).toMatchObject({ state: 'deferred' });
  expect(deferred?.waitsFor?.releases.map(({ role, release }) => [role, release])).toEqual([
    ['warm', before],
    ['rollback', before],
  ]);

  // Each instance has its metrics where this machine reaches them and no user does; Prometheus is told where.
  const { services } = StatusSchema.parse(JSON.parse((await succeeds(platform.veza(['status', '--json']))).stdout));
  const instances = services[0]?.instances ?? [];
  const file = join(platform.stateDir, 'environments', 'development', 'prometheus-targets.json');
  const targets = JSON.parse(await readFile(file, 'utf8')) as {
    readonly targets: readonly string[];
    readonly labels: Record<string, string>;
  }[];
  expect(targets.map(({ targets: [address], labels }) => [labels['instance'], address]).toSorted()).toEqual(
    instances.map(({ id, metrics }) => [id, metrics]).toSorted(),
  );
  for (const { release, metrics } of instances) {
    const text = await (await fetch(`http://${metrics ?? ''}/metrics`)).text();
    expect(text).toMatch(/^notes_up\{deployment="dep_\d+"\} 1$/m);
    expect(targets.some(({ labels }) => labels['release'] === release)).toBe(true);
  }
  for (const path of ['/metrics', '//metrics', '/%6detrics', '/metrics/', '/x/../metrics']) {
    const answer = await fetch(`${platform.url}${path}`);
    expect(await answer.text()).not.toContain('notes_up');
  }

  // And when that is over, for the release that a rollback would go back to, until that is given up.
  await ended(platform);
  const back = refused(await platform.veza(['migrations', 'contract', 'notes', '--json']), 'contract-refused');
  expect(back.detail).toContain(`${before} of notes in development, which \`veza rollback\` would go back to`);
  expect(back.hint).toContain('--give-up-rollback');
  await succeeds(platform.veza(['migrations', 'contract', 'notes', '--give-up-rollback']));
  expect(states(await show(platform)).at(-1)).toBe('0002_text.contract.sql: applied');

  // Then no way leads back to it, and users have noticed nothing.
  const gone = refused(await platform.veza(['rollback', 'notes', '--json']), 'old-form-gone');
  expect(gone.detail).toContain(`${before} of notes is not started in development`);
  expect(gone.detail).toContain('0002_text.contract.sql');
  refused(await platform.veza(['rollback', 'notes', '--to', before, '--json']), 'old-form-gone');
  refused(await platform.veza(['deploy', 'notes', '--release', before, '--json']), 'old-form-gone');
  expect(users.wrong).toEqual([]);

  // And this is known by the journal, also to the next control plane, while the database is away.
  await succeeds(platform.veza(['down', '--keep-running']));
  await succeeds(platform.veza(['up']));
  refused(await platform.veza(['rollback', 'notes', '--json']), 'old-form-gone');

  // When the contract is taken back, then the way is open again.
  await succeeds(platform.veza(['migrations', 'undo', 'notes']));
  await succeeds(platform.veza(['rollback', 'notes']));
  expect(await liveRelease(platform)).toBe(before);
  expect(users.wrong).toEqual([]);

  // And what the next release brought stays while that is warm, and can be taken back afterwards.
  const used = refused(await platform.veza(['migrations', 'undo', 'notes', '--to', '1', '--json']), 'undo-refused');
  expect(used.detail).toContain(`0002_text.expand.sql: used by ${after} of notes in development`);
  await ended(platform);
  await succeeds(platform.veza(['migrations', 'undo', 'notes', '--to', '1']));
  expect(states(await show(platform))).toEqual(['0001_notes.expand.sql: applied']);

  // A rollback runs no migrations, so it does not lead there; a deployment does.
  refused(await platform.veza(['rollback', 'notes', '--to', after, '--json']), 'migration-undone');
  await succeeds(platform.veza(['deploy', 'notes', '--release', after]));
  expect(await liveRelease(platform)).toBe(after);
  await users.stop();
  expect(users.wrong).toEqual([]);
  expect(users.answers).toBeGreaterThan(500);

  const entries = (await succeeds(platform.veza(['events', '--json']))).stdout.trim().split('\n');
  const journal = entries
    .map((line) => EventSchema.parse(JSON.parse(line)))
    .filter(({ type }) => type === 'migrations');
  expect(journal.map(({ text }) => text.replace(/, by .*$/, ''))).toEqual([
    'contract migrations of notes in development begin: 0002_text.contract.sql',
    'contract migrations of notes in development are done: 0002_text.contract.sql',
    'migrations of notes in development are being taken back: 0002_text.contract.sql',
    'migrations of notes in development were taken back: 0002_text.contract.sql',
    'migrations of notes in development are being taken back: 0002_text.migrate.sql, 0002_text.expand.sql',
    'migrations of notes in development were taken back: 0002_text.migrate.sql, 0002_text.expand.sql',
    'migrations of notes in development are applied again: 0002_text.migrate.sql, 0002_text.expand.sql',
  ]);
  expect(journal.every(({ service, environment }) => service === 'notes' && environment === 'development')).toBe(true);
}, 420_000);
