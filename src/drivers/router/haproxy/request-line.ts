import type { Arm } from '../../../core/slot.ts';
import { rescuePrefix } from '../../../core/emit/haproxy/servers.ts';

/** How a request ended, for counting. A client that went away is `ok`: it is no error of the arm. */
export type Outcome = 'ok' | 'client-error' | 'server-error' | 'gateway-error';

export interface CountedRequest {
  readonly service: string;
  readonly arm: Arm;
  readonly outcome: Outcome;
  readonly latencyMs: number;
  /** UTC second in which it ended; of a stream, in which it began. */
  readonly second: number;
}

/**
 * Reads a line that HAProxy wrote (the log format of src/core/emit/haproxy/config.ts, or the beginning of a stream from its
 * Lua script). Null for what is not counted: other lines, smoke tests, requests of no service, the end of a stream.
 */
export function readRequestLine(line: string): CountedRequest | null {
  const cells = line.split(' ');
  if (cells[0] === 'V1S') return streamBegan(cells);
  if (cells[0] !== 'V1' || cells.length !== 13) return null;
  const [, now = '', from = '', answered = '', service = '', arm = '', status = '', termination = ''] = cells;
  const [answeredBy = '', begun = '', preview = '', , server = ''] = cells.slice(8);
  if (service === '-' || begun === '1' || preview === '1') return null;
  const at = Number(now);
  const began = Number(from);
  if (!Number.isFinite(at) || !Number.isFinite(began)) return null;
  const until = answered === '-' ? at : Number(answered);
  return {
    service,
    arm: arm === 'candidate' ? 'candidate' : 'stable',
    outcome: outcomeOf(Number(status), termination, answeredBy, server.startsWith(rescuePrefix)),
    latencyMs: Math.max(0, until - began) / 1000,
    second: Math.floor(at / 1_000_000),
  };
}

function streamBegan(cells: readonly string[]): CountedRequest | null {
  const [, now, from, service = '-', arm = '', status, preview] = cells;
  if (service === '-' || preview === '1') return null;
  const at = Number(now);
  const began = Number(from);
  if (!Number.isFinite(at) || !Number.isFinite(began)) return null;
  return {
    service,
    arm: arm === 'candidate' ? 'candidate' : 'stable',
    outcome: ofStatus(Number(status)),
    latencyMs: Math.max(0, at - began) / 1000,
    second: Math.floor(at / 1_000_000),
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
