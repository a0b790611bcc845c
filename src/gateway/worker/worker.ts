import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { flushCompileCache } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../log.ts';
import { gatewayFiles, isGateway, takeLock } from '../state-folder.ts';
import {
  workerProtocol,
  type Assignment,
  type Question,
  type ToWorker,
  type WorkerAnswer,
} from '../supervisor/messages.ts';
import { raiseSuccessor } from '../supervisor/raise-successor.ts';
import { createDataPlane, type WorkerPlane } from './create-data-plane.ts';
import { HandedSockets } from './handed-sockets.ts';
import { Outbox } from './outbox.ts';
import { connectSupervisor, type SupervisorConnection } from './supervisor-connection.ts';

/** Milliseconds between two looks at what has been counted. */
const reportMs = 250;
/** Milliseconds between two signs of life. */
const hereMs = 1_000;
/** Milliseconds between two reports of what rate limits let through. */
const useMs = 100;
/** Milliseconds between two attempts to reach a supervisor. */
const retryMs = 50;
/** Milliseconds without a supervisor until the first worker starts one; each further worker waits as long again. */
const electAfterMs = 250;
/** Milliseconds after an attempt to start one failed. */
const electPauseMs = 2_000;
/** Milliseconds that a supervisor has to replace a worker that was told to end. */
const replaceMs = 10_000;
/** Milliseconds for the last counts to arrive before a worker ends. */
const lastCountsMs = 3_000;

export interface WorkerOptions {
  readonly stateDir: string;
  /** Where the supervisor that started this worker listens, and where it (or another one) will be found later. */
  readonly socket: string;
  readonly home: string;
  readonly generation: number;
  /** Its place among the workers, 0 and up. */
  readonly index: number;
  readonly log: Log;
}

/** One worker: carries traffic as the supervisor says, and goes on without one. */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #sockets = new HandedSockets();
  readonly #outbox = new Outbox(Math.floor(Date.now() / 1000));
  readonly #aborts = new Map<number, AbortController>();
  #plane: WorkerPlane | null = null;
  #assignment: Assignment | null = null;
  #connection: SupervisorConnection | null = null;
  #retired = false;
  #stopping = false;
  /** A new connection first says what the supervisor has. */
  #resend = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /** Serves until it is told to end; the process ends then. */
  async run(): Promise<void> {
    setInterval(() => this.#report(), reportMs);
    setInterval(() => this.#tellUse(), useMs);
    setInterval(() => this.#connection?.send({ kind: 'here' }), hereMs);
    process.on('SIGTERM', () => this.#leave());
    for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
    let socket = this.#options.socket;
    let lostAt = performance.now();
    for (;;) {
      const gone = Promise.withResolvers<void>();
      try {
        this.#resend = true;
        this.#connection = await connectSupervisor(
          socket,
          {
            kind: 'hello',
            protocol: workerProtocol,
            pid: process.pid,
            generation: this.#options.generation,
            retired: this.#retired,
            countedTo: this.#outbox.countedTo,
          },
          (message) => this.#onMessage(message),
          gone.resolve,
        );
        this.#connection.start();
        await gone.promise;
        lostAt = performance.now();
        this.#connection = null;
        for (const abort of this.#aborts.values()) abort.abort(new Error('the supervisor is gone'));
      } catch {
        // Nobody is there yet, or any more.
      }
      socket = this.#options.home;
      const alone = performance.now() - lostAt;
      if (this.#plane === null && alone > replaceMs) process.exit(1);
      if (this.#mayElect && alone > electAfterMs * (1 + this.#options.index)) {
        await this.#elect();
        lostAt = performance.now();
      }
      await sleep(retryMs);
    }
  }

  /** It can start a supervisor that has everything: the table and the sockets. */
  get #mayElect(): boolean {
    return this.#plane !== null && !this.#retired && !this.#stopping;
  }

  /** Starts a new supervisor, if no other worker does; it brings its own workers, and this one retires. */
  async #elect(): Promise<void> {
    const { stateDir, home, generation, log } = this.#options;
    if (this.#assignment === null) return;
    if (!existsSync(gatewayFiles(stateDir).folder)) {
      // Whoever removed it wants no gateway here any more, and nobody could ever find this worker.
      log('error', 'state-folder-gone', { message: `${stateDir} is not there any more.` });
      void this.#retire(0);
      return;
    }
    let unlock: () => Promise<void>;
    try {
      unlock = await takeLock(gatewayFiles(stateDir).election, (pid) => isGateway(pid, stateDir, home));
    } catch {
      return;
    }
    const { settings, limits, table } = this.#assignment;
    // This one may not have heard yet that a newer supervisor was in charge when it died.
    const latest = Math.max(generation, (await runningNoted(stateDir)).generation);
    try {
      log('warn', 'supervisor-gone', { pid: process.pid, message: 'The supervisor has died; a new one is started.' });
      const program = fileURLToPath(new URL(`../main${path.extname(fileURLToPath(import.meta.url))}`, import.meta.url));
      await raiseSuccessor({
        node: process.execPath,
        program,
        stateDir,
        socket: home,
        sockets: this.#sockets.held,
        takeOver: { generation: latest + 1, settings, limits, table, dayKey: null },
        last: async () => ({ counts: null, workers: (await runningNoted(stateDir)).workers }),
        log,
        signal: new AbortController().signal,
      });
    } catch (error) {
      log('error', 'no-supervisor', { message: messageOf(error) });
      await sleep(electPauseMs);
    } finally {
      await unlock();
    }
  }

  #onMessage(message: ToWorker): void {
    switch (message.kind) {
      case 'ask': {
        const { ask, question } = message;
        this.#answer(ask, question)
          .then(
            (answer) => this.#connection?.send({ kind: 'done', ask, answer }),
            (error: unknown) => this.#connection?.send({ kind: 'failed', ask, message: messageOf(error) }),
          )
          .finally(() => this.#aborts.delete(ask));
        return;
      }
      case 'abort':
        this.#aborts.get(message.ask)?.abort(new Error('nobody waits for the answer'));
        return;
      case 'counted':
        this.#outbox.taken(message.report);
        if (this.#resend) for (const report of this.#outbox.after(message.report)) this.#connection?.send(report);
        this.#resend = false;
        return;
      case 'absorb':
        this.#plane?.absorbUse(message.use);
        return;
      case 'retire':
        void this.#retire(message.lingerMs);
        return;
      case 'stop':
        void this.#stop(message.drainMs);
        return;
    }
  }

  async #answer(ask: number, question: Question): Promise<WorkerAnswer> {
    if (question.kind === 'begin') return this.#begin(question);
    const plane = this.#plane;
    if (plane === null || this.#assignment === null) throw new Error('nothing was begun');
    switch (question.kind) {
      case 'table':
        this.#assignment = { ...this.#assignment, table: question.table };
        plane.data.apply(question.table.routes, question.table.lost);
        return null;
      case 'listen':
        if (!this.#retired) await this.#sockets.listen(question.name, plane.data);
        return null;
      case 'unlisten':
        this.#sockets.unlisten(question.name, plane.data);
        return null;
      case 'drain': {
        const abort = new AbortController();
        this.#aborts.set(ask, abort);
        return plane.data.drain(question.service, new Set(question.instances), question.drainMs, abort.signal);
      }
      case 'load':
        return plane.load();
      case 'current':
        return plane.data.current(question.service);
      case 'certificates':
        plane.replaceCertificates(question.certificates);
        return null;
      case 'challenges':
        plane.data.setChallenges(question.challenges);
        return null;
    }
  }

  async #begin(question: Extract<Question, { readonly kind: 'begin' }>): Promise<null> {
    const { assignment, cookieKey, ticketKeys, dayKey, listeners } = question;
    const { stateDir, log } = this.#options;
    const plane = createDataPlane({ assignment, cookieKey, ticketKeys, dayKey, stateDir, log });
    plane.replaceCertificates(assignment.certificates);
    plane.data.setChallenges(assignment.challenges);
    plane.data.apply(assignment.table.routes, assignment.table.lost);
    this.#plane = plane;
    this.#assignment = assignment;
    for (const name of listeners) await this.#sockets.listen(name, plane.data);
    flushCompileCache();
    return null;
  }

  #report(): void {
    if (this.#plane === null) return;
    const seconds = this.#plane.data.takeClosed();
    if (seconds.length > 0) {
      const report = this.#outbox.add(seconds);
      if (!this.#resend) this.#connection?.send(report);
    }
  }

  #tellUse(): void {
    const use = this.#plane?.takeUse() ?? null;
    if (use !== null) this.#connection?.send({ kind: 'use', use });
  }

  /** Somebody wants this process to end: another one takes its place first. */
  #leave(): void {
    if (this.#retired || this.#stopping) return;
    if (this.#plane === null) process.exit(0);
    this.#connection?.send({ kind: 'leaving' });
    // Nobody may be there to replace it.
    const lingerMs = this.#assignment?.settings.lingerMs ?? 0;
    setTimeout(() => void this.#retire(lingerMs), this.#connection === null ? 0 : replaceMs);
  }

  async #retire(lingerMs: number): Promise<void> {
    if (this.#retired || this.#stopping) return;
    this.#retired = true;
    const { log } = this.#options;
    log('info', 'worker-retires', { pid: process.pid, lingerMs });
    if (this.#plane !== null) {
      const retired = this.#plane.data.retire(lingerMs);
      this.#sockets.closeAll();
      await retired;
      await this.#lastCounts();
    }
    await this.#plane?.close();
    log('info', 'worker-done', { pid: process.pid });
    process.exit(0);
  }

  async #stop(drainMs: number): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    if (this.#plane !== null) {
      const stopped = this.#plane.data.stop(drainMs);
      this.#sockets.closeAll();
      const { left } = await stopped;
      if (left > 0) this.#options.log('warn', 'reset', { pid: process.pid, left });
      await this.#plane.close();
    }
    process.exit(0);
  }

  /** Waits until the second is over in which the last request ended, and the supervisor has its counts. */
  async #lastCounts(): Promise<void> {
    const over = Date.now() + 1_000 - (Date.now() % 1_000) + reportMs;
    const deadline = Date.now() + lastCountsMs;
    while (Date.now() < deadline && (Date.now() < over || !this.#outbox.isEmpty)) await sleep(retryMs);
  }
}

/** Generation and process ids of workers of the supervisor that died. */
async function runningNoted(
  stateDir: string,
): Promise<{ readonly generation: number; readonly workers: readonly number[] }> {
  const none = { generation: 0, workers: [] };
  try {
    const noted: unknown = JSON.parse(await readFile(gatewayFiles(stateDir).running, 'utf8'));
    if (typeof noted !== 'object' || noted === null) return none;
    const all: readonly unknown[] = 'all' in noted && Array.isArray(noted.all) ? noted.all : [];
    return {
      generation: 'generation' in noted && Number.isInteger(noted.generation) ? Number(noted.generation) : 0,
      workers: all.filter((pid): pid is number => Number.isInteger(pid) && Number(pid) > 1),
    };
  } catch {
    // It had not come to write it.
    return none;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
