import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import { toProblem } from '../api/problem.ts';
import type { Emit } from './handlers.ts';

/** Silence that a client has to bear at most; it takes twice as much for a broken connection. */
export const HEARTBEAT_MS = 10_000;

export interface SseOptions {
  readonly heartbeatMs: number;
  /** Aborts when the client goes away or the server closes. */
  readonly abort: AbortController;
  readonly onFailure: (error: unknown) => void;
  /** When the work is through, however it went. */
  readonly onEnd: () => void;
}

/**
 * Answers with server-sent events (WHATWG HTML, section 9.2): `item` events as the work emits them, comments as
 * heartbeats, and one `result` or `problem` event at the end.
 */
export function answerWithEvents(
  context: Context,
  { heartbeatMs, abort, onFailure, onEnd }: SseOptions,
  work: (emit: Emit<unknown>) => Promise<unknown>,
): Response {
  return streamSSE(context, async (stream) => {
    stream.onAbort(() => abort.abort());
    const heartbeat = setInterval(() => void stream.write(':\n\n'), heartbeatMs);
    try {
      // The headers go out at once, so that the client knows that it is connected.
      await stream.write(':\n\n');
      const answer = await work(async (item, id) => {
        await stream.writeSSE({ event: 'item', data: JSON.stringify(item), ...(id === undefined ? {} : { id }) });
      });
      await stream.writeSSE({ event: 'result', data: JSON.stringify(answer) });
    } catch (error) {
      // Whoever aborted it knows; a stream that ends without a result is one that broke.
      if (abort.signal.aborted) return;
      onFailure(error);
      await stream.writeSSE({ event: 'problem', data: JSON.stringify(toProblem(error)) });
    } finally {
      clearInterval(heartbeat);
      onEnd();
    }
  });
}
