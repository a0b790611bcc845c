import { Client, DatabaseError } from 'pg';
import { ResourceUnavailableError, VezaError } from '../../../errors.ts';

/** Where and as whom to connect; `target` is what people see of it: no password. */
export interface ConnectTo {
  readonly name: string;
  readonly url: string;
}

/** Host, port and database of a URL, for messages: no user, no password, no parameters. */
export function describeUrl(url: string): string {
  if (!URL.canParse(url)) return '(not a URL)';
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}

/**
 * Runs `work` on a session of its own and closes it. When the signal aborts, the server ends the session (whatever it was
 * doing is rolled back), and this rejects with the signal's reason.
 *
 * @throws ResourceUnavailableError when there is no connection; errors of `work`.
 */
export async function withSession<Result>(
  to: ConnectTo,
  signal: AbortSignal,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted();
  const { client, pid } = await connect(to);
  let ended: Promise<unknown> | null = null;
  const onAbort = (): void => {
    ended = endSession(to, client, pid);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await work(client);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    await (ended ?? client.end().catch(() => undefined));
  }
}

async function connect(to: ConnectTo): Promise<{ client: Client; pid: number }> {
  if (!URL.canParse(to.url)) {
    const hint = 'Set the secret to a URL of the form postgres://user:password@host:port/database.';
    throw new ResourceUnavailableError(to.name, 'its address is not a URL', hint);
  }
  const client = new Client({ connectionString: to.url, connectionTimeoutMillis: 5000, application_name: 'veza' });
  // A lost connection rejects the query that runs; without a listener it would end the process as well.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return { client, pid: rows[0]?.pid ?? 0 };
  } catch (error) {
    await client.end().catch(() => undefined);
    throw unavailable(to, error);
  }
}

function unavailable(to: ConnectTo, error: unknown): VezaError {
  // The message of the driver never holds the password, the URL does.
  const reason = error instanceof AggregateError ? error.errors.map(String).join('; ') : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : null;
  const target = describeUrl(to.url);
  if (code === '28P01' || code === '28000') {
    return new ResourceUnavailableError(
      to.name,
      `${target} refuses the login (${reason})`,
      'Check user and password in its URL.',
    );
  }
  if (code === '3D000') {
    return new ResourceUnavailableError(
      to.name,
      `${target}: ${reason}`,
      'Create the database, or correct its name in the URL.',
    );
  }
  const hint = 'Check that it runs and that host and port are right (`veza status` for an embedded one).';
  return new ResourceUnavailableError(to.name, `no connection to ${target} (${reason})`, hint);
}

/** Has the server end the session: closing our end alone would leave a long statement running. */
async function endSession(to: ConnectTo, client: Client, pid: number): Promise<void> {
  const other = new Client({ connectionString: to.url, connectionTimeoutMillis: 2000, query_timeout: 2000 });
  other.on('error', () => undefined);
  try {
    await other.connect();
    await other.query('SELECT pg_terminate_backend($1)', [pid]);
  } catch {
    // Not reachable: then closing our end is all that can be done, and the server notices sooner or later.
  } finally {
    await other.end().catch(() => undefined);
    await client.end().catch(() => undefined);
  }
}

/** True for failures that go away by themselves: locks, deadlocks, a server that restarts. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return !(error instanceof VezaError);
  const state = error.code ?? '';
  return ['55P03', '40P01', '40001', '57014'].includes(state) || /^(08|57P|53)/.test(state);
}
