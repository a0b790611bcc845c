import type { ChildProcess } from 'node:child_process';
import type { Duplex } from 'node:stream';
import type { WorkerHealth, WorkerLoad } from '../../core/gateway-control.ts';
import { JsonLines } from './json-lines.ts';
import type { FromWorker, Question, SocketForWorker, ToWorker, WorkerAnswer } from './messages.ts';
import type { SocketHandle } from '../../system/bind-socket.ts';

/** The worker was asked and has died, or did not answer in time. */
export class WorkerSilent extends Error {}

type Hello = Extract<FromWorker, { readonly kind: 'hello' }>;

export interface LinkEvents {
  message(link: WorkerLink, message: Exclude<FromWorker, { readonly kind: 'hello' | 'done' | 'failed' }>): void;
  /** The connection has ended: its process has died, or is no use any more. */
  gone(link: WorkerLink): void;
}

/** The supervisor's side of the connection to one worker. */
export class WorkerLink {
  readonly pid: number;
  readonly generation: number;
  /** Names the worker in counts; process ids are used again. */
  readonly id: string;
  /** Null when another supervisor started it: listening sockets cannot be passed to it. */
  readonly child: ChildProcess | null;
  /** Has been told what it serves: it takes part in every change of the table. */
  begun = false;
  /** Messages come in: silence that lasts means that it hangs. */
  silentTicks = 0;
  /** It wants to end, and waits for the worker that comes to this seat instead. */
  leavingSeat: number | null = null;
  #state: WorkerHealth['state'] = 'starting';
  #since: number;
  #isGone = false;
  #asked = 0;
  readonly #lines: JsonLines<FromWorker, ToWorker>;
  readonly #pending = new Map<number, PromiseWithResolvers<WorkerAnswer>>();
  readonly #gone = Promise.withResolvers<void>();

  constructor(hello: Hello, child: ChildProcess | null, stream: Duplex, wall: number, events: LinkEvents) {
    this.pid = hello.pid;
    this.generation = hello.generation;
    this.id = `${hello.generation}.${hello.pid}`;
    this.child = child;
    this.#since = wall;
    this.#lines = new JsonLines<FromWorker, ToWorker>(
      stream,
      Buffer.alloc(0),
      (message) => {
        this.silentTicks = 0;
        if (message.kind === 'done') this.#settle(message.ask)?.resolve(message.answer);
        else if (message.kind === 'failed') this.#settle(message.ask)?.reject(new Error(message.message));
        else if (message.kind !== 'hello') events.message(this, message);
      },
      () => {
        this.#isGone = true;
        for (const pending of this.#pending.values()) pending.reject(new WorkerSilent(`worker ${this.pid} is gone`));
        this.#pending.clear();
        this.#gone.resolve();
        events.gone(this);
      },
    );
    this.#lines.start();
  }

  get state(): WorkerHealth['state'] {
    return this.#state;
  }

  /** Resolves when the connection has ended. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  enter(state: WorkerHealth['state'], wall: number): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#since = wall;
  }

  send(message: ToWorker): void {
    this.#lines.send(message);
  }

  /** Passes a listening socket on; what is done with it is asked for afterwards. */
  passSocket(message: SocketForWorker, handle: SocketHandle): void {
    // The types know of `net.Server` alone, which would begin to accept on the other side before anything else is known.
    this.child?.send(message, handle as never, () => {});
  }

  /**
   * @param timeoutMs milliseconds; null waits as long as the worker lives
   * @throws WorkerSilent; Error with what the worker says; the signal's reason
   */
  async ask(question: Question, timeoutMs: number | null, signal: AbortSignal | null = null): Promise<WorkerAnswer> {
    if (this.#isGone) throw new WorkerSilent(`worker ${this.pid} is gone`);
    signal?.throwIfAborted();
    this.#asked += 1;
    const ask = this.#asked;
    const pending = Promise.withResolvers<WorkerAnswer>();
    this.#pending.set(ask, pending);
    const timer =
      timeoutMs === null
        ? null
        : setTimeout(
            () =>
              this.#settle(ask)?.reject(new WorkerSilent(`worker ${this.pid} did not answer within ${timeoutMs} ms`)),
            timeoutMs,
          );
    const aborted = (): void => {
      this.send({ kind: 'abort', ask });
      this.#settle(ask)?.reject(signal?.reason);
    };
    signal?.addEventListener('abort', aborted, { once: true });
    this.send({ kind: 'ask', ask, question });
    try {
      return await pending.promise;
    } finally {
      if (timer !== null) clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
    }
  }

  /** What it has to do; null when it does not say in time. */
  async load(timeoutMs: number): Promise<WorkerLoad | null> {
    return this.ask({ kind: 'load' }, timeoutMs).then(
      (answer) => answer as WorkerLoad,
      () => null,
    );
  }

  health(load: WorkerLoad | null): WorkerHealth {
    return { pid: this.pid, generation: this.generation, state: this.#state, since: this.#since, load };
  }

  /** Ends it at once, whatever it does. Resolves when it serves nobody any more. */
  kill(): Promise<void> {
    try {
      if (this.child === null) process.kill(this.pid, 'SIGKILL');
      else this.child.kill('SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
    return this.#gone.promise;
  }

  /** Ends the connection and leaves the worker as it is: it looks for whoever is in charge now. */
  leave(): void {
    this.#lines.close();
  }

  #settle(ask: number): PromiseWithResolvers<WorkerAnswer> | null {
    const pending = this.#pending.get(ask);
    this.#pending.delete(ask);
    return pending ?? null;
  }
}
