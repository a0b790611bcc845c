import { request, type Agent, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { Phase } from './classify.ts';
import type { Address } from './options.ts';

export interface ExchangeRequest {
  readonly agent: Agent;
  readonly address: Address;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
  readonly timeoutMs: number;
}

/** What became of one request on the wire: a whole answer, or how it failed. */
export type Exchange =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly bytes: Buffer;
    }
  | {
      readonly kind: 'failure';
      /** System or parser error code: ECONNRESET, ETIMEDOUT, HPE_INVALID_CONSTANT. */
      readonly code: string;
      readonly phase: Phase;
      readonly detail: string;
      /** Headers of the answer, when it had begun. */
      readonly headers: IncomingHttpHeaders | null;
    };

/**
 * One request and its whole answer, on a new or a kept connection, never tried twice. Resolves in every case: an answer
 * whose length is not what its head announced is a failure.
 */
export async function exchange(asked: ExchangeRequest): Promise<Exchange> {
  return new Promise((resolve) => {
    let phase: Phase = 'connecting';
    let answer: IncomingMessage | null = null;
    let settled = false;
    const settle = (result: Exchange) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      resolve(result);
    };
    const fail = (code: string, detail: string) => {
      settle({ kind: 'failure', code, phase, detail, headers: answer?.headers ?? null });
      outgoing.destroy();
    };
    const timer = setTimeout(() => fail('ETIMEDOUT', `no whole answer in ${asked.timeoutMs} ms`), asked.timeoutMs);
    const outgoing = request({
      agent: asked.agent,
      host: asked.address.host,
      port: asked.address.port,
      method: asked.method,
      path: asked.path,
      headers: asked.body === null ? asked.headers : { ...asked.headers, 'content-length': asked.body.length },
    });
    outgoing.on('socket', (socket) => {
      if (socket.connecting) socket.once('connect', () => (phase = phase === 'connecting' ? 'waiting' : phase));
      else phase = 'waiting';
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      const connection = outgoing.reusedSocket ? 'kept connection' : 'new connection';
      fail(error.code ?? 'ECONNRESET', `${error.message} while ${phase} on a ${connection}`);
    });
    outgoing.on('response', (incoming) => {
      phase = 'receiving';
      answer = incoming;
      const chunks: Buffer[] = [];
      let length = 0;
      incoming.on('data', (chunk: Buffer) => {
        length += chunk.length;
        chunks.push(chunk);
      });
      incoming.on('error', (error: NodeJS.ErrnoException) => {
        fail(error.code ?? 'ECONNRESET', `${error.message} after ${length} bytes of the answer`);
      });
      incoming.on('end', () => {
        if (!incoming.complete) return fail('ECONNRESET', `ended after ${length} bytes of the answer`);
        const { statusCode = 0, headers } = incoming;
        settle({ kind: 'answer', status: statusCode, headers, bytes: Buffer.concat(chunks) });
      });
    });
    outgoing.end(asked.body ?? undefined);
  });
}
