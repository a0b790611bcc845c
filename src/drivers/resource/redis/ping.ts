import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { decodeReplies, encodeCommand, type Reply } from './resp.ts';

const TIMEOUT_MS = 5_000;

/** Why a Redis cannot be used, in words that hold no credentials. */
export class RedisRefused extends Error {}

/**
 * Asks a Redis whether it lives, with the credentials of the URL.
 *
 * @param url `redis://user:password@host:port`, or `rediss://` for TLS
 * @returns the version that it reports; null when the user may not ask for it
 * @throws RedisRefused; the signal's reason when aborted.
 */
export async function pingRedis(url: URL, signal: AbortSignal): Promise<string | null> {
  const user = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  const commands = [
    ...(password === '' ? [] : [user === '' ? ['AUTH', password] : ['AUTH', user, password]]),
    ['PING'],
    ['INFO', 'server'],
  ];
  const replies = await converse(
    url,
    commands.map((words) => encodeCommand(...words)).join(''),
    commands.length,
    signal,
  );
  const [info, ping, auth] = replies.toReversed();
  if (auth?.kind === 'error') throw new RedisRefused(`it does not let us in (${firstWord(auth)})`);
  if (ping?.kind !== 'text' || ping.text !== 'PONG') {
    throw new RedisRefused(`it does not answer PING (${ping === undefined ? 'nothing' : firstWord(ping)})`);
  }
  return info?.kind === 'text' ? (/^(?:redis|valkey)_version:(\S+)/m.exec(info.text)?.[1] ?? null) : null;
}

async function converse(url: URL, commands: string, count: number, signal: AbortSignal): Promise<readonly Reply[]> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<readonly Reply[]>();
  const socket = open(url);
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(() => reject(new RedisRefused(`no answer within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
  const replies: Reply[] = [];
  let arrived: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    try {
      const decoded = decodeReplies(Buffer.concat([arrived, chunk]));
      arrived = decoded.rest;
      replies.push(...decoded.replies);
    } catch (error) {
      reject(new RedisRefused(error instanceof Error ? error.message : String(error)));
    }
    if (replies.length >= count) resolve(replies.slice(0, count));
  });
  socket.on('error', (error: NodeJS.ErrnoException) => reject(new RedisRefused(error.code ?? error.message)));
  socket.on('close', () => reject(new RedisRefused('it closed the connection')));
  socket.write(commands);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}

function open(url: URL): Socket {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? 6379 : Number(url.port);
  if (url.protocol === 'redis:') return connectTcp({ host, port });
  // An address has no name to ask for.
  return connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }) });
}

/** `NOPERM this user has no permissions …`: the rest may quote what was sent. */
function firstWord({ text }: Reply): string {
  return /^[A-Z]+/.exec(text)?.[0] ?? 'something else';
}
