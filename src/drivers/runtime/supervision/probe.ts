import { request } from 'node:http';
import { connect } from 'node:net';
import type { ProbeKind, ProbeResult } from '../../../core/plan/health.ts';
import { durationInWords } from '../../../core/plan/words.ts';
import type { Probe } from '../../../core/spec/platform.ts';

type Answer = Omit<ProbeResult, 'kind'>;

/**
 * Asks an instance once, on a connection of its own. Statuses 200 to 399 pass (as with Kubernetes' httpGet probes);
 * redirects are not followed.
 * The probe's timeout is for the whole of it, connection included.
 */
export async function probeOnce(
  kind: ProbeKind,
  probe: Probe,
  address: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { check, timeoutMs } = probe;
  const answer = await (check.kind === 'http'
    ? askHttp(check.path, address, timeoutMs, signal)
    : askTcp(address, timeoutMs, signal));
  return { kind, ...answer };
}

const failed = (detail: string): Answer => ({ ok: false, detail, refused: false });
const passed: Answer = { ok: true, detail: '', refused: false };
const timedOut = (timeoutMs: number): Answer => failed(`no answer within ${durationInWords(timeoutMs)}`);

function failure(error: NodeJS.ErrnoException): Answer {
  switch (error.code) {
    case 'ECONNREFUSED':
      return { ok: false, detail: 'connection refused', refused: true };
    case 'ECONNRESET':
      return failed('connection closed without an answer');
    default:
      return failed(error.message);
  }
}

function askHttp(
  path: string,
  address: { readonly host: string; readonly port: number },
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve) => {
    const asking = request({
      ...address,
      path,
      method: 'GET',
      agent: false,
      headers: { connection: 'close', 'user-agent': 'veza-probe' },
      signal,
    });
    const settle = (answer: Answer): void => {
      clearTimeout(timer);
      asking.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => settle(timedOut(timeoutMs)), timeoutMs);
    // The status is the answer: what follows it is neither needed nor waited for.
    asking.once('response', (response) => {
      response.on('error', () => undefined);
      const status = response.statusCode ?? 0;
      settle(status >= 200 && status < 400 ? passed : failed(`answered ${status}`));
    });
    asking.on('error', (error) => settle(failure(error)));
    asking.end();
  });
}

function askTcp(
  address: { readonly host: string; readonly port: number },
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = connect({ ...address });
    const settle = (answer: Answer): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(answer);
    };
    const onAbort = (): void => settle(failed('cancelled'));
    const timer = setTimeout(() => settle(timedOut(timeoutMs)), timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => settle(passed));
    socket.on('error', (error) => settle(failure(error)));
    if (signal.aborted) onAbort();
  });
}
