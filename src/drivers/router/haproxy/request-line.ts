import type { Arm } from '../../../core/slot.ts';
import { copyingServer, instanceOf, rescuePrefix } from '../../../core/emit/haproxy/servers.ts';
import type { AnsweredRequest } from '../../../core/route-counts.ts';

/** How a request ended, for counting. A client that went away is `ok`: it is no error of the arm. */
export type Outcome = 'ok' | 'client-error' | 'server-error' | 'gateway-error';

export interface CountedRequest {
  readonly service: string;
  readonly arm: Arm;
  readonly outcome: Outcome;
  readonly latencyMs: number;
  /** UTC second in which it ended; of a stream, in which it began. */
  readonly second: number;
  /** What it is counted by route with; null when nothing is compared. */
  readonly route: AnsweredRequest | null;
  /** The same in each line of one request, and of that one only; null when there is one line only. */
  readonly key: string | null;
}

/**
 * Reads a line that HAProxy wrote (the log format of src/core/emit/haproxy/config.ts, or the beginning of a stream from its
 * Lua script). Null for what is not counted: other lines, smoke tests, requests of no service, what the edge answered before an
 * arm was chosen, the end of a stream.
 */
export function readRequestLine(line: string): CountedRequest | null {
  const cells = line.split(' ');
  if (cells[0] === 'V1S') return streamBegan(cells);
  if (cells[0] !== 'V1' || cells.length !== 18) return null;
  const [, now = '', from = '', answered = '', service = '', arm = '', status = '', termination = ''] = cells;
  const [answeredBy = '', begun = '', preview = '', backend = '', server = '', number = ''] = cells.slice(8);
  if (service === '-' || arm === '-' || begun === '1' || preview === '1') return null;
  const at = Number(now);
  const began = Number(from);
  if (!Number.isFinite(at) || !Number.isFinite(began)) return null;
  const until = answered === '-' ? at : Number(answered);
  const outcome = outcomeOf(Number(status), termination, answeredBy, server.startsWith(rescuePrefix));
  const latencyMs = Math.max(0, until - began) / 1000;
  return {
    service,
    arm: arm === 'candidate' ? 'candidate' : 'stable',
    outcome,
    latencyMs,
    second: Math.floor(at / 1_000_000),
    route: routeOf(cells.slice(14), Number(status), outcome, latencyMs, askedInstance(backend, server)),
    key: `${now}.${number}`,
  };
}

/** @param cells method, path, trace, the client's id of the request; `-` for none */
function routeOf(
  cells: readonly string[],
  status: number,
  outcome: Outcome,
  latencyMs: number,
  instance: string | null,
): AnsweredRequest | null {
  const [method, path, trace, asked] = cells.map((cell) => (cell === '-' ? null : cell));
  if (method === null || method === undefined) return null;
  return {
    method,
    path: path ?? '',
    // A client that went away before there was an answer has none.
    status: Math.max(0, status),
    lost: outcome === 'gateway-error',
    latencyMs,
    traceparent: trace ?? null,
    requestId: asked ?? null,
    instance,
  };
}

/** Null when none was asked, or the gateway on loopback knows which. */
function askedInstance(backend: string, server: string): string | null {
  const name = server.startsWith(rescuePrefix) ? server.slice(rescuePrefix.length) : server;
  return name.startsWith('<') || name === copyingServer || backend.endsWith('.relay') ? null : instanceOf(name);
}

function streamBegan(cells: readonly string[]): CountedRequest | null {
  const [, now, from, service = '-', arm = '-', status, preview] = cells;
  if (service === '-' || arm === '-' || preview === '1') return null;
  const at = Number(now);
  const began = Number(from);
  if (!Number.isFinite(at) || !Number.isFinite(began)) return null;
  const outcome = ofStatus(Number(status));
  const latencyMs = Math.max(0, at - began) / 1000;
  return {
    service,
    arm: arm === 'candidate' ? 'candidate' : 'stable',
    outcome,
    latencyMs,
    second: Math.floor(at / 1_000_000),
    route: routeOf(cells.slice(7), Number(status), outcome, latencyMs, null),
    key: null,
  };
}

/**
 * @param termination the first two letters of HAProxy's termination state (configuration.txt, 8.5): who ended it, and
 *   in which phase
 * @param answeredBy `i` an instance, `r` an instance through the built-in gateway, `g` the built-in gateway itself, `-` HAProxy
 * @param rescued an instance of the other slot had to answer
 */
function outcomeOf(status: number, termination: string, answeredBy: string, rescued: boolean): Outcome {
  const [who = '-'] = termination;
  const byClient = who === 'C' || who === 'c';
  if (answeredBy === '-') {
    if (byClient) return 'ok';
    return status >= 400 && status < 500 ? 'client-error' : status >= 500 || who !== 'L' ? 'gateway-error' : 'ok';
  }
  // Cut short behind its head, by the instance or by us.
  if (who !== '-' && !byClient && who !== 'L') return 'gateway-error';
  if (rescued || (answeredBy === 'g' && status >= 500)) return 'gateway-error';
  return ofStatus(status);
}

const ofStatus = (status: number): Outcome => (status >= 500 ? 'server-error' : status >= 400 ? 'client-error' : 'ok');
