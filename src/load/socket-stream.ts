import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { socketChecksum } from './answers.ts';
import { answererOf, classifyAnswer, classifyFailure, closedProperly, type Answerer } from './classify.ts';
import { isRecord, parseJson } from './json.ts';
import type { LoadPlan } from './options.ts';
import type { Clock, Tally } from './tally.ts';

const sendEveryMs = 100;
const closeTimeoutMs = 5_000;
/** Milliseconds before the next connection: after a proper close, and after anything else. */
const reconnectMs = { proper: 50, otherwise: 500 };

interface Waiting {
  readonly n: number;
  readonly sentMs: number;
}

/**
 * Holds one WebSocket open, sends numbered messages and expects each back, in order. After a proper close (1001, 1012) it
 * connects again and sends what was not echoed once more; any other close is lost.
 */
export class SocketStream {
  readonly #plan: LoadPlan;
  readonly #clock: Clock;
  readonly #tally: Tally;
  #next: number;
  #waiting: Waiting[] = [];

  /** @param first number of the first message */
  constructor(plan: LoadPlan, clock: Clock, tally: Tally, first: number) {
    this.#plan = plan;
    this.#clock = clock;
    this.#tally = tally;
    this.#next = first;
  }

  /** Runs until the signal is aborted; then closes with 1000 and expects the same from the other side. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#tally.sent('ws');
      const end = await this.#connect(signal);
      this.#tally.ended();
      if (end === 'proper') this.#tally.ok('ws');
      else this.#waiting = [];
      if (!signal.aborted) await sleep(reconnectMs[end], undefined, { signal }).catch(() => undefined);
    }
  }

  async #connect(signal: AbortSignal): Promise<'proper' | 'otherwise'> {
    return new Promise((resolve) => {
      const { host, port } = this.#plan.target;
      const socket = new WebSocket(`ws://${host.includes(':') ? `[${host}]` : host}:${port}/ws`, {
        headers: { host: this.#plan.hostHeader },
        handshakeTimeout: this.#plan.timeoutMs,
        perMessageDeflate: false,
        followRedirects: false,
      });
      let answerer: Answerer = { release: null, name: null };
      let lastError: NodeJS.ErrnoException | null = null;
      let open = false;
      let closedByUs = false;
      let counted = false;
      let sending: NodeJS.Timeout | undefined;
      let closing: NodeJS.Timeout | undefined;
      // Counted once a connection: whatever follows from the first failure is the same failure.
      const count = (record: () => void) => {
        if (!counted) record();
        counted = true;
      };
      const stop = () => {
        closedByUs = true;
        clearInterval(sending);
        socket.close(1000);
        closing = setTimeout(() => socket.terminate(), closeTimeoutMs);
      };
      signal.addEventListener('abort', stop);

      socket.on('upgrade', (incoming) => (answerer = answererOf(incoming.headers)));
      socket.on('unexpected-response', (outgoing, incoming) => {
        const its = answererOf(incoming.headers);
        const verdict = classifyAnswer(incoming.statusCode ?? 0, incoming.headers, 101);
        count(() => {
          if (verdict.verdict === 'lost') this.#tally.lost('ws', verdict.kind, its.release, verdict.detail);
          if (verdict.verdict === 'failed-by-release') this.#tally.failedByRelease('ws', verdict.release);
          if (verdict.verdict === 'unexpected') this.#tally.wrong('ws', its.release, verdict.detail);
        });
        outgoing.destroy();
        socket.terminate();
      });
      socket.on('open', () => {
        open = true;
        if (closedByUs) return;
        for (const { n } of this.#waiting) socket.send(message(n));
        sending = setInterval(() => {
          const oldest = this.#waiting[0];
          if (oldest !== undefined && this.#clock.monotonicMs() - oldest.sentMs > this.#plan.timeoutMs) {
            const detail = `message ${oldest.n} was not echoed in ${this.#plan.timeoutMs} ms`;
            count(() => this.#tally.lost('ws', 'timeout', answerer.release, detail));
            socket.terminate();
            return;
          }
          this.#waiting.push({ n: this.#next, sentMs: this.#clock.monotonicMs() });
          socket.send(message(this.#next));
          this.#next += 1;
        }, sendEveryMs);
      });
      socket.binaryType = 'nodebuffer';
      socket.on('message', (data) => this.#check((data as Buffer).toString('utf8'), answerer));
      socket.on('error', (error) => (lastError = error));
      socket.on('close', (code) => {
        clearInterval(sending);
        clearTimeout(closing);
        signal.removeEventListener('abort', stop);
        // A connection that was still being made when we stopped is neither.
        const ours = closedByUs && !open;
        if (!ours && !closedProperly(code, closedByUs)) {
          count(() => this.#lostConnection(open, code, lastError, answerer));
        }
        resolve(counted ? 'otherwise' : 'proper');
      });
    });
  }

  #lostConnection(open: boolean, code: number, error: NodeJS.ErrnoException | null, answerer: Answerer): void {
    const because = error === null ? '' : `: ${error.message}`;
    if (open) {
      this.#tally.lost('ws', 'websocket-closed', answerer.release, `closed with ${code}${because}`);
      return;
    }
    const timedOut = error?.message.includes('timed out') ?? false;
    const kind = timedOut ? 'timeout' : classifyFailure(error?.code ?? 'ECONNRESET', 'waiting');
    this.#tally.lost('ws', kind, answerer.release, `handshake failed${because}`);
  }

  #check(text: string, answerer: Answerer): void {
    const data = parseJson(text);
    const n = isRecord(data) ? data['n'] : undefined;
    const position = this.#waiting.findIndex((waiting) => waiting.n === n);
    const waiting = this.#waiting[position];
    if (!isRecord(data) || waiting === undefined) {
      this.#tally.wrong('ws', answerer.release, `echo of nothing that was sent: ${text.slice(0, 100)}`);
      return;
    }
    if (position > 0) {
      this.#tally.wrong(
        'ws',
        answerer.release,
        `echo ${waiting.n} instead of ${this.#waiting[0]?.n}: gap of ${position}`,
      );
    } else if (data['checksum'] !== socketChecksum(waiting.n)) {
      this.#tally.wrong('ws', answerer.release, `echo ${waiting.n} has a wrong checksum`);
    } else {
      this.#tally.item('ws');
      this.#tally.answered('ws', answerer, this.#clock.monotonicMs() - waiting.sentMs);
    }
    this.#waiting.splice(0, position + 1);
  }
}

function message(n: number): string {
  return JSON.stringify({ n });
}
