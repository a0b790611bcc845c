import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { z } from 'zod';
import type { Account } from './account.ts';
import type { MemberLedger, RoomLedger } from './chat-ledger.ts';
import { classifyAnswer, classifyFailure, closedProperly, releaseOf } from './classify.ts';
import type { LoadPlan } from './options.ts';
import type { Clock, Tally } from './tally.ts';

const closeTimeoutMs = 5_000;
/** Milliseconds before the next connection: after a proper close, and after anything else. */
const reconnectMs = { proper: 50, otherwise: 500 };
/** Codes of `refused` and of a close that say that the session is not good. */
const sessionCodes = /token|session|unauthor|sign/i;
const closedForToken = 4401;

const event = z.discriminatedUnion('type', [
  z.object({ type: z.literal('welcome'), person: z.unknown() }),
  z.object({ type: z.literal('joined'), room: z.string(), last: z.number().int() }),
  z.object({
    type: z.literal('message'),
    room: z.string(),
    seq: z.number().int(),
    id: z.string(),
    author: z.string(),
    name: z.string(),
    text: z.string(),
    at: z.string(),
  }),
  z.object({ type: z.literal('said'), room: z.string(), id: z.string(), seq: z.number().int() }),
  z.object({ type: z.literal('refused'), code: z.string(), detail: z.string().optional(), id: z.string().optional() }),
]);
type ChatEvent = z.output<typeof event>;

interface Waiting {
  readonly id: string;
  readonly text: string;
  readonly sinceMs: number;
}

/**
 * One member of one room: connects, joins, says, and receives. After a close it connects again, joins where it was (`after`)
 * and says again what was not acknowledged, with the same id. A close other than 1001 or 1012 is lost.
 */
export class ChatMember {
  readonly #plan: LoadPlan;
  readonly #clock: Clock;
  readonly #tally: Tally;
  readonly #account: Account;
  readonly #room: string;
  readonly #ledger: RoomLedger;
  readonly #seen: MemberLedger;
  readonly #waiting = new Map<string, Waiting>();
  #socket: WebSocket | null = null;
  #joined = false;
  #connections = 0;

  constructor(
    room: { readonly id: string; readonly ledger: RoomLedger },
    account: Account,
    plan: LoadPlan,
    clock: Clock,
    tally: Tally,
  ) {
    this.#room = room.id;
    this.#ledger = room.ledger;
    this.#seen = room.ledger.member(account.displayName, 0);
    this.#account = account;
    this.#plan = plan;
    this.#clock = clock;
    this.#tally = tally;
  }

  /** Says something; when there is no connection at the moment, on the next one. */
  say(id: string, text: string): void {
    this.#ledger.saying(id, this.#account.personId, text);
    const waiting = { id, text, sinceMs: this.#clock.monotonicMs() };
    this.#waiting.set(id, waiting);
    this.#tally.chat.said += 1;
    if (this.#joined) this.#send({ type: 'say', room: this.#room, id, text });
  }

  /** Messages that were said and not acknowledged yet. */
  get unacknowledged(): number {
    return this.#waiting.size;
  }

  /** Renews the session's token on the live connection. */
  async renew(): Promise<void> {
    if (!this.#account.signedIn && !(await this.#account.logIn())) return;
    if ((await this.#account.refresh()) && this.#joined) {
      this.#send({ type: 'renew', token: this.#account.accessToken });
    }
  }

  /** Counts as lost what waits for its acknowledgement for too long; call it now and then. */
  checkWaiting(): void {
    const now = this.#clock.monotonicMs();
    for (const { id, sinceMs } of this.#waiting.values()) {
      if (now - sinceMs <= this.#plan.timeoutMs) continue;
      this.#waiting.delete(id);
      this.#tally.lost('chat', 'timeout', null, `message ${id} was not acknowledged in ${this.#plan.timeoutMs} ms`);
    }
  }

  /** Runs until the signal is aborted; then closes with 1000 and expects the same from the other side. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!this.#account.signedIn && !(await this.#account.logIn())) {
        await sleep(reconnectMs.otherwise, undefined, { signal }).catch(() => undefined);
        continue;
      }
      this.#tally.sent('chat');
      if (this.#connections > 0) this.#tally.chat.reconnects += 1;
      this.#connections += 1;
      const end = await this.#connect(signal);
      if (end === 'proper') this.#tally.ok('chat');
      if (!signal.aborted) await sleep(reconnectMs[end], undefined, { signal }).catch(() => undefined);
    }
  }

  async #connect(signal: AbortSignal): Promise<'proper' | 'otherwise'> {
    return new Promise((resolve) => {
      const { host, port } = this.#plan.target;
      const socket = new WebSocket(`ws://${host.includes(':') ? `[${host}]` : host}:${port}/chat/v1/socket`, {
        headers: { host: this.#plan.hostHeader },
        handshakeTimeout: this.#plan.timeoutMs,
        perMessageDeflate: false,
        followRedirects: false,
      });
      this.#socket = socket;
      let release: string | null = null;
      let lastError: NodeJS.ErrnoException | null = null;
      let open = false;
      let closedByUs = false;
      let counted = false;
      let closing: NodeJS.Timeout | undefined;
      // Counted once a connection: whatever follows from the first failure is the same failure.
      const count = (record: () => void) => {
        if (!counted) record();
        counted = true;
      };
      const stop = () => {
        closedByUs = true;
        socket.close(1000);
        closing = setTimeout(() => socket.terminate(), closeTimeoutMs);
      };
      signal.addEventListener('abort', stop);
      socket.on('upgrade', (incoming) => (release = releaseOf(incoming.headers)));
      socket.on('unexpected-response', (outgoing, incoming) => {
        const its = releaseOf(incoming.headers);
        const verdict = classifyAnswer(incoming.statusCode ?? 0, incoming.headers, [101], true);
        count(() => {
          if (verdict.verdict === 'lost') this.#tally.lost('chat', verdict.kind, its, verdict.detail);
          if (verdict.verdict === 'failed-by-release') this.#tally.failedByRelease('chat', verdict.release);
          if (verdict.verdict === 'unexpected') this.#tally.wrong('chat', its, verdict.detail);
          if (verdict.verdict === 'logged-out') this.#tally.loggedOut('chat', its, verdict.detail);
        });
        outgoing.destroy();
        socket.terminate();
      });
      socket.on('open', () => {
        open = true;
        if (!closedByUs) this.#send({ type: 'hello', token: this.#account.accessToken });
      });
      socket.binaryType = 'nodebuffer';
      socket.on('message', (data) => {
        const problem = this.#take((data as Buffer).toString('utf8'), release);
        if (problem !== null) count(() => this.#refused(problem, release));
      });
      socket.on('error', (error) => (lastError = error));
      socket.on('close', (code) => {
        this.#joined = false;
        this.#socket = null;
        clearTimeout(closing);
        signal.removeEventListener('abort', stop);
        // A connection that was still being made when we stopped is neither.
        const ours = closedByUs && !open;
        if (!ours && code === closedForToken) {
          count(() => this.#refused('the connection was closed with 4401', release));
        } else if (!ours && !closedProperly(code, closedByUs)) {
          count(() => this.#lostConnection(open, code, lastError, release));
        }
        resolve(counted ? 'otherwise' : 'proper');
      });
    });
  }

  /** @returns how the service refused us, if it did */
  #take(text: string, release: string | null): string | null {
    const received = parse(text);
    if (received === null) return null;
    if (received === 'malformed') return `not a frame of chat: ${text.slice(0, 200)}`;
    switch (received.type) {
      case 'welcome':
        // A renewed token is welcomed too. Who joins again asks for what may be on its way to him already.
        if (!this.#joined) this.#send({ type: 'join', room: this.#room, after: this.#seen.last });
        return null;
      case 'joined':
        this.#joined = true;
        for (const { id, text: said } of this.#waiting.values()) {
          this.#send({ type: 'say', room: this.#room, id, text: said });
        }
        return null;
      case 'message': {
        const problem =
          received.room === this.#room ? this.#seen.receive(received) : `a message of another room, ${received.room}`;
        this.#tally.chat.delivered += 1;
        if (problem !== null) this.#tally.wrong('chat', release, problem);
        return null;
      }
      case 'said':
        this.#acknowledge(received.id, received.seq, release);
        return null;
      case 'refused':
        // It was not taken: who said it would see that, and it is no longer waited for.
        if (received.id !== undefined) this.#waiting.delete(received.id);
        return `refused, ${received.code}: ${received.detail ?? ''}`;
    }
  }

  #acknowledge(id: string, seq: number, release: string | null): void {
    const waiting = this.#waiting.get(id);
    const problem = this.#ledger.acknowledged(id, seq);
    if (problem !== null) this.#tally.wrong('chat', release, problem);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    this.#tally.chat.acknowledged += 1;
    this.#tally.answered('chat', release, this.#clock.monotonicMs() - waiting.sinceMs);
  }

  #refused(problem: string, release: string | null): void {
    if (sessionCodes.test(problem) || problem.endsWith('4401')) {
      this.#account.loggedOut();
      this.#tally.loggedOut('chat', release, problem);
    } else {
      this.#tally.wrong('chat', release, problem);
    }
  }

  #lostConnection(open: boolean, code: number, error: NodeJS.ErrnoException | null, release: string | null): void {
    const because = error === null ? '' : `: ${error.message}`;
    if (open) {
      this.#tally.lost('chat', 'websocket-closed', release, `closed with ${code}${because}`);
      return;
    }
    const timedOut = error?.message.includes('timed out') ?? false;
    const kind = timedOut ? 'timeout' : classifyFailure(error?.code ?? 'ECONNRESET', 'waiting');
    this.#tally.lost('chat', kind, release, `handshake failed${because}`);
  }

  #send(frame: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }
}

/** What the client cares about; null for presence, and whatever a newer release may send, which it passes over. */
function parse(text: string): ChatEvent | 'malformed' | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'malformed';
  }
  const parsed = event.safeParse(value);
  if (parsed.success) return parsed.data;
  const type = z.object({ type: z.string() }).safeParse(value);
  const known = ['welcome', 'joined', 'message', 'said', 'refused'];
  return type.success && !known.includes(type.data.type) ? null : 'malformed';
}
