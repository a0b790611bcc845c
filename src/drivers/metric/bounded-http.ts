import { request, type Dispatcher } from 'undici';
import { durationInWords } from '../../core/plan/words.ts';

/** What is read of an answer at most. */
const MOST_BYTES = 1_000_000;

export type HttpAnswer =
  | {
      readonly answered: true;
      readonly status: number;
      readonly headers: Dispatcher.ResponseData['headers'];
      readonly body: string;
    }
  /** `why` follows on the name of what was asked: "no answer within 5 s". */
  | { readonly answered: false; readonly why: string };

export interface HttpQuestion {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | null;
  /** Milliseconds for all of it, the last byte of the answer included. */
  readonly timeoutMs: number;
}

/**
 * Asks once, on a connection of its own: redirects are not followed, no more than 1 MB is read, and it takes no longer than it may.
 * A user and password in the address are sent as RFC 7617 has it.
 *
 * @throws the signal's reason, when that is aborted; nothing else
 */
export async function askOverHttp(url: URL, question: HttpQuestion, signal: AbortSignal): Promise<HttpAnswer> {
  signal.throwIfAborted();
  const { method, headers, body, timeoutMs } = question;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  try {
    const answer = await request(bare, {
      method,
      headers: { ...authorization(url), ...headers },
      body: body ?? null,
      reset: true,
      signal: limited,
    });
    const read = await readBounded(answer.body);
    return read === null
      ? { answered: false, why: `the answer is longer than ${MOST_BYTES / 1_000_000} MB` }
      : { answered: true, status: answer.statusCode, headers: answer.headers, body: read };
  } catch (error) {
    signal.throwIfAborted();
    if (limited.aborted) return { answered: false, why: `no answer within ${durationInWords(timeoutMs)}` };
    return { answered: false, why: inWords(error) };
  }
}

function authorization(url: URL): Record<string, string> {
  if (url.username === '' && url.password === '') return {};
  const [user, password] = [url.username, url.password].map((part) => decodeURIComponent(part));
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

async function readBounded(body: Dispatcher.ResponseData['body']): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    // Leaving the loop destroys the body, and with it the connection.
    if (bytes > MOST_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function inWords(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ECONNRESET':
    case 'UND_ERR_SOCKET':
      return 'the connection was closed without a whole answer';
    case 'ENOTFOUND':
      return 'there is no host of that name';
    default:
      return error instanceof Error && error.message !== '' ? error.message : `failed (${code})`;
  }
}

/** The address without user, password and query, to be shown. */
export const shownUrl = (url: URL): string => `${url.protocol}//${url.host}${url.pathname}`;

/** The beginning of what somebody else wrote, on one line, to be shown. */
export function shownText(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim();
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}

/** Why a status is no success, in words. */
export const refusedInWords = (status: number): string =>
  status >= 300 && status < 400 ? `answered ${status}, and redirects are not followed` : `answered ${status}`;
