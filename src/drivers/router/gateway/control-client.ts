import http from 'node:http';
import { parseControlAnswer, type ControlAnswer, type ControlRequest } from '../../../core/gateway-control.ts';
import { GatewayRefusedError, GatewayUnreachableError } from '../../../errors.ts';

/** Bytes of an answer that are read at most: 15 minutes of a service under load are a few megabytes. */
const maxAnswerBytes = 256 * 1024 * 1024;

/**
 * Sends one message to a gateway and waits for its answer.
 *
 * @param socket path of the control socket
 * @param timeoutMs milliseconds without an answer after which the gateway counts as unreachable; null waits for ever
 * @throws GatewayUnreachableError when nobody listens, the connection breaks or the time is over
 * @throws GatewayRefusedError when what comes back is no answer of a gateway
 * @throws the signal's reason when it aborts
 */
export function askGateway(
  socket: string,
  message: ControlRequest,
  timeoutMs: number | null,
  signal: AbortSignal,
): Promise<ControlAnswer> {
  return new Promise((resolve, reject) => {
    const body = Buffer.from(JSON.stringify(message));
    const fail = (error: Error): void =>
      reject(signal.aborted ? signal.reason : new GatewayUnreachableError(socket, error.message));
    const request = http.request(
      {
        socketPath: socket,
        method: 'POST',
        path: '/',
        headers: { 'content-type': 'application/json', 'content-length': body.length },
        agent: false,
        signal,
        ...(timeoutMs === null ? {} : { timeout: timeoutMs }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > maxAnswerBytes) request.destroy(new Error('its answer is too large'));
          else chunks.push(chunk);
        });
        response.on('error', fail);
        response.on('end', () => {
          const parsed = parseAnswer(Buffer.concat(chunks).toString());
          if (parsed.ok) resolve(parsed.value);
          else
            reject(
              new GatewayRefusedError('invalid', `The gateway on ${socket} answered something else: ${parsed.message}`),
            );
        });
      },
    );
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    request.on('error', fail);
    request.end(body);
  });
}

function parseAnswer(text: string): ReturnType<typeof parseControlAnswer> {
  try {
    return parseControlAnswer(JSON.parse(text));
  } catch {
    return { ok: false, message: 'no JSON' };
  }
}

/**
 * Holds a connection to a gateway for as long as it lives.
 *
 * @param onGone called once when the connection ends, unless watching was stopped before; `meant` when the gateway was
 *   told to stop
 * @returns stops watching
 */
export function watchGateway(socket: string, onGone: (meant: boolean) => void): () => void {
  let watching = true;
  let text = '';
  const gone = (): void => {
    if (!watching) return;
    watching = false;
    onGone(text.includes('"stopping"'));
  };
  const body = JSON.stringify({ kind: 'watch' } satisfies ControlRequest);
  const request = http.request({ socketPath: socket, method: 'POST', path: '/', agent: false });
  request.on('response', (response) => {
    response.on('error', gone);
    response.on('close', gone);
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
  });
  request.on('error', gone);
  request.on('socket', (connection) => {
    // A control plane that has nothing else to do must be able to end.
    connection.unref();
  });
  request.end(body);
  return () => {
    watching = false;
    request.destroy();
  };
}
