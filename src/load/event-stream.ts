import { request, type Agent, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventChecksum } from './answers.ts';
import { answererOf, classifyAnswer, classifyFailure, type Phase } from './classify.ts';
import { EventParser, type ServerSentEvent } from './event-parser.ts';
import { isRecord, parseJson } from './json.ts';
import type { LoadPlan } from './options.ts';
import type { Clock, Tally } from './tally.ts';

/** Milliseconds before the next connection: after a proper end, and after anything else. */
const reconnectMs = { proper: 50, otherwise: 500 };

/**
 * Holds one event stream open and reads it on after every end, from the event after the last one seen. Counts as lost a
 * connection that ends other than whole and between two events, and as wrong an event that is not the next one.
 */
export class EventStream {
  readonly #plan: LoadPlan;
  readonly #clock: Clock;
  readonly #tally: Tally;
  readonly #agent: Agent;
  #next: number;
  #seenAny = false;

  /** @param first number of the first event to ask for */
  constructor(plan: LoadPlan, clock: Clock, tally: Tally, agent: Agent, first: number) {
    this.#plan = plan;
    this.#clock = clock;
    this.#tally = tally;
    this.#agent = agent;
    this.#next = first;
  }

  /** Runs until the signal is aborted; what is open then is closed by us and counts as properly ended. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#tally.sent('events');
      const end = await this.#connect(signal);
      this.#tally.ended();
      if (end === 'proper') this.#tally.ok('events');
      if (!signal.aborted) await sleep(reconnectMs[end], undefined, { signal }).catch(() => undefined);
    }
  }

  async #connect(signal: AbortSignal): Promise<'proper' | 'otherwise'> {
    return new Promise((resolve) => {
      const startMs = this.#clock.monotonicMs();
      const parser = new EventParser();
      let phase: Phase = 'connecting';
      let release: string | null = null;
      let settled = false;
      const settle = (end: 'proper' | 'otherwise') => {
        settled = true;
        clearTimeout(watchdog);
        signal.removeEventListener('abort', stop);
        outgoing.destroy();
        resolve(end);
      };
      const lost = (code: string, detail: string) => {
        if (settled) return;
        const middle = phase === 'receiving' && !parser.betweenEvents;
        const kind = classifyFailure(code, phase);
        const inMiddle = middle ? ', in the middle of an event' : '';
        this.#tally.lost(
          'events',
          middle && kind === 'cut-short' ? 'event-cut' : kind,
          release,
          `${detail}${inMiddle}`,
        );
        settle('otherwise');
      };
      const stop = () => {
        if (!settled) settle('proper');
      };
      const silence = () => lost('ETIMEDOUT', `no event for ${this.#plan.timeoutMs} ms`);
      const watchdog = setTimeout(silence, this.#plan.timeoutMs);
      signal.addEventListener('abort', stop);

      const outgoing = request({
        agent: this.#agent,
        host: this.#plan.target.host,
        port: this.#plan.target.port,
        path: `/events?from=${this.#next}`,
        headers: {
          host: this.#plan.hostHeader,
          accept: 'text/event-stream',
          ...(this.#seenAny ? { 'last-event-id': `${this.#next - 1}` } : {}),
        },
      });
      outgoing.on('socket', (socket) => socket.once('connect', () => (phase = 'waiting')));
      outgoing.on('error', (error: NodeJS.ErrnoException) => lost(error.code ?? 'ECONNRESET', error.message));
      outgoing.on('response', (incoming) => {
        phase = 'receiving';
        const answerer = answererOf(incoming.headers);
        release = answerer.release;
        this.#tally.answered('events', answerer, this.#clock.monotonicMs() - startMs);
        incoming.on('error', (error: NodeJS.ErrnoException) => lost(error.code ?? 'ECONNRESET', error.message));
        if (!this.#accepts(incoming)) {
          settle('otherwise');
          return;
        }
        incoming.setEncoding('utf8');
        incoming.on('data', (text: string) => {
          watchdog.refresh();
          for (const event of parser.push(text)) this.#check(event, release);
        });
        incoming.on('end', () => {
          if (!incoming.complete) return lost('ECONNRESET', 'ended without the end of the answer');
          if (!parser.betweenEvents) return lost('ECONNRESET', 'the answer ended');
          settle('proper');
        });
      });
      outgoing.end();
    });
  }

  #accepts(incoming: IncomingMessage): boolean {
    const { release } = answererOf(incoming.headers);
    const verdict = classifyAnswer(incoming.statusCode ?? 0, incoming.headers, 200);
    if (verdict.verdict === 'lost') this.#tally.lost('events', verdict.kind, release, verdict.detail);
    if (verdict.verdict === 'failed-by-release') this.#tally.failedByRelease('events', verdict.release);
    if (verdict.verdict === 'unexpected') this.#tally.wrong('events', release, verdict.detail);
    return verdict.verdict === 'expected';
  }

  #check(event: ServerSentEvent, release: string | null): void {
    const data = parseJson(event.data);
    const n = isRecord(data) ? data['n'] : undefined;
    if (typeof n !== 'number' || !Number.isSafeInteger(n) || event.id !== String(n)) {
      this.#tally.wrong('events', release, `not an event: id ${event.id}, data ${event.data.slice(0, 100)}`);
      return;
    }
    if (n !== this.#next) {
      const what = n > this.#next ? `gap of ${n - this.#next}` : 'seen before';
      this.#tally.wrong('events', release, `event ${n} instead of ${this.#next}: ${what}`);
    } else if (!isRecord(data) || data['checksum'] !== eventChecksum(n)) {
      this.#tally.wrong('events', release, `event ${n} has a wrong checksum`);
    } else {
      this.#tally.item('events');
    }
    this.#next = n + 1;
    this.#seenAny = true;
  }
}
