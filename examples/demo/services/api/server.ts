import pg from 'pg';
import { readText } from './body.ts';
import { call } from './call.ts';
import { behaviour, instance, sendJson, serve, type Request } from './chassis.ts';

// The api keeps messages in PostgreSQL; the worker computes their checksums.

interface Checksum {
  readonly checksum: string;
  readonly version: string;
  readonly instance: string;
}

const workerUrl = process.env['WORKER_URL'] ?? 'http://127.0.0.1:3002';
const database = new pg.Pool({
  connectionString: process.env['DATABASE_URL'],
  max: 8,
  connectionTimeoutMillis: 5_000,
  query_timeout: 10_000,
});
// Without a listener a connection that breaks while idle would end the process; the pool replaces it by itself.
database.on('error', () => undefined);

serve({
  name: 'api',

  async ready() {
    await database.query('select from messages limit 1');
  },

  async handle(request) {
    const { method, url, response } = request;
    const [, root, collection, client, item] = url.pathname.split('/').map(decodeURIComponent);
    if (root !== 'api') return false;

    // Each service of the chain puts its version into the answer.
    if (method === 'GET' && collection === 'chain') {
      const worker = await checksumOf(request, `chain:${url.searchParams.get('n') ?? '0'}`);
      sendJson(response, 200, {
        checksum: worker.checksum,
        api: { version: behaviour.version, instance },
        worker: { version: worker.version, instance: worker.instance },
      });
      return true;
    }
    if (collection !== 'messages') return false;
    if (method === 'POST' && client === undefined) await store(request);
    else if (method === 'GET' && client !== undefined && item === 'count') await count(request, client);
    else if (method === 'GET' && client !== undefined && item === undefined) await list(request, client);
    else if (method === 'GET' && client !== undefined && item !== undefined) await read(request, client, Number(item));
    else return false;
    return true;
  },

  async stopped() {
    await database.end();
  },
});

async function store(request: Request): Promise<void> {
  const { client, seq, text } = JSON.parse(await readText(request.incoming)) as Record<string, unknown>;
  if (typeof client !== 'string' || !Number.isSafeInteger(seq) || typeof text !== 'string') {
    return sendJson(request.response, 400, { error: 'expected { client: string, seq: integer, text: string }' });
  }
  const { checksum } = await checksumOf(request, text);
  // The answer is sent after the commit: what a client was told is stored, is stored.
  await database.query(
    'insert into messages (client, seq, text, checksum) values ($1, $2, $3, $4) on conflict (client, seq) do nothing',
    [client, seq, text, checksum],
  );
  sendJson(request.response, 201, { client, seq, text, checksum });
}

async function read(request: Request, client: string, seq: number): Promise<void> {
  const sql = 'select seq, text, checksum from messages where client = $1 and seq = $2';
  const row = (await database.query<{ seq: string; text: string; checksum: string }>(sql, [client, seq])).rows[0];
  if (row === undefined) return sendJson(request.response, 404, { error: `no message ${seq} of ${client}` });
  sendJson(request.response, 200, { client, ...row, seq: Number(row.seq) });
}

async function count(request: Request, client: string): Promise<void> {
  const sql = 'select count(*)::int as count from messages where client = $1';
  sendJson(request.response, 200, (await database.query<{ count: number }>(sql, [client])).rows[0]);
}

/** A page of messages in order, those after `?after=` first, 1000 at most. */
async function list(request: Request, client: string): Promise<void> {
  const after = Number(request.url.searchParams.get('after') ?? -1);
  const sql = 'select seq, text, checksum from messages where client = $1 and seq > $2 order by seq limit 1000';
  const { rows } = await database.query<{ seq: string; text: string; checksum: string }>(sql, [client, after]);
  sendJson(request.response, 200, { messages: rows.map((row) => ({ ...row, seq: Number(row.seq) })) });
}

async function checksumOf(request: Request, text: string): Promise<Checksum> {
  return (await call(request, 'worker', workerUrl, '/checksum', text)) as Checksum;
}
