import { AsyncLocalStorage } from 'node:async_hooks';
import { rootCertificates } from 'node:tls';
import { axios, type Client } from 'acme-client';
import { Agent, request, type Dispatcher } from 'undici';
import { CertificateOrderError } from '../../errors.ts';

// acme-client speaks the protocol; its HTTP is replaced by ours, which knows time limits, cancellation, private roots, and
// tells a rate limit from a refusal. It has one adapter for all its clients, so the call says in whose name it is.

/** Milliseconds that an authority may be silent within one request. */
const silenceMs = 30_000;
/** Authorities refuse requests without one (RFC 8555, 6.1). */
const userAgent = 'veza-deploy';
const maxAnswerBytes = 1_048_576;
const problemPrefix = 'urn:ietf:params:acme:error:';

interface Call {
  readonly directory: string;
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
  /** What went wrong in the last request; the library's own errors have only a text. */
  problem: CertificateOrderError | null;
}

const calls = new AsyncLocalStorage<Call>();

// The library would retry by itself for as long as `Retry-After` says, deaf to everybody; we do that.
axios.defaults['acmeSettings' as keyof typeof axios.defaults] = {
  httpChallengePort: 80,
  httpsChallengePort: 443,
  tlsAlpnChallengePort: 443,
  retryMaxAttempts: 0,
  retryDefaultDelay: 5,
} as never;

axios.defaults.adapter = async (config) => {
  const call = calls.getStore();
  if (call === undefined) throw new TypeError('a request of acme-client outside of a call');
  const { directory } = call;
  call.problem = null;
  try {
    const { statusCode, headers, body } = await request(config.url ?? '', {
      method: (config.method ?? 'get').toUpperCase(),
      headers: { ...config.headers.toJSON(), 'user-agent': userAgent } as Record<string, string>,
      body: (config.data ?? null) as string | null,
      dispatcher: call.dispatcher,
      signal: call.signal,
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
    });
    const text = await limitedText(body);
    if (statusCode >= 400) call.problem = problemOf(directory, statusCode, headers['retry-after'], text);
    return { status: statusCode, statusText: '', headers: headers as Record<string, string>, data: text, config };
  } catch (error) {
    call.problem ??= new CertificateOrderError(directory, `it cannot be reached (${reasonOf(error)})`, null, null);
    throw error;
  }
};

/** An authority that is spoken to: its directory, with the roots that its own TLS is checked with. */
export class AuthorityLine {
  readonly directory: string;
  readonly #dispatcher: Agent;

  /** @param trust PEM of roots besides the system's */
  constructor(directory: string, trust: string | null) {
    this.directory = directory;
    this.#dispatcher = new Agent({
      connect: { timeout: 10_000, ...(trust === null ? {} : { ca: [...rootCertificates, trust] }) },
      keepAliveTimeout: 1_000,
    });
  }

  /**
   * Runs something that uses a client of the library.
   *
   * @throws CertificateOrderError
   */
  async call<T>(client: Client, signal: AbortSignal, run: (client: Client) => Promise<T>): Promise<T> {
    const call: Call = { directory: this.directory, dispatcher: this.#dispatcher, signal, problem: null };
    try {
      return await calls.run(call, () => run(client));
    } catch (error) {
      if (error instanceof CertificateOrderError) throw error;
      throw call.problem ?? new CertificateOrderError(this.directory, reasonOf(error), null, null);
    }
  }

  /** What the authority said in the call that this is asked in, when its last answer was a refusal. */
  get problem(): CertificateOrderError | null {
    return calls.getStore()?.problem ?? null;
  }

  /** A document that is open to all. Null when the authority has none there. */
  async read(
    url: string,
    signal: AbortSignal,
  ): Promise<{ readonly text: string; readonly retryAfterMs: number | null } | null> {
    const { statusCode, headers, body } = await request(url, {
      headers: { 'user-agent': userAgent },
      dispatcher: this.#dispatcher,
      signal,
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
    });
    const text = await limitedText(body);
    return statusCode === 200 ? { text, retryAfterMs: retryAfterOf(headers['retry-after']) } : null;
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }
}

async function limitedText(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) throw new Error(`its answer has more than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function problemOf(
  directory: string,
  status: number,
  retryAfter: string | string[] | undefined,
  text: string,
): CertificateOrderError {
  let type: string | null = null;
  let detail = `it answered ${status}`;
  try {
    const problem = JSON.parse(text) as { readonly type?: unknown; readonly detail?: unknown };
    if (typeof problem.type === 'string') type = problem.type.replace(problemPrefix, '');
    if (typeof problem.detail === 'string') detail = problem.detail.slice(0, 500);
  } catch {
    // No problem document: the status says what there is to say.
  }
  const named = type === null ? detail : `${detail} (${type})`;
  return new CertificateOrderError(directory, named.replace(/\.$/, ''), type, retryAfterOf(retryAfter));
}

/** Seconds or a date (RFC 9110, 10.2.3), as milliseconds from now. */
function retryAfterOf(value: string | string[] | undefined): number | null {
  if (typeof value !== 'string') return null;
  if (/^\d{1,8}$/.test(value)) return Number(value) * 1_000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
