import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { WorkerHealth } from '../../core/gateway-control.ts';
import type { Listener } from '../data-plane.ts';
import type { DayKey } from '../edge/day-key.ts';
import type { Log } from '../log.ts';
import { isGateway } from '../state-folder.ts';
import type { BoundSocket } from '../../system/bind-socket.ts';
import type { MergedCounts } from './merged-counts.ts';
import { workerProtocol, type Assignment, type FromWorker, type Question, type WorkerAnswer } from './messages.ts';
import { WorkerLink, WorkerSilent } from './worker-link.ts';

/** Milliseconds that a worker has to follow a change; then it counts as hung. */
const followMs = 3_000;
/** Milliseconds between two looks at which workers have come. */
const arrivalPollMs = 10;
/** Milliseconds from its start to the first connection that a worker may take. */
const beginMs = 25_000;
/** Milliseconds for a worker to say how it is. */
const loadMs = 500;
/** Seconds of silence after which a worker counts as hung. */
const silentLimit = 10;
/** Milliseconds; a worker that died younger is started again with a growing pause. */
const youngMs = 5_000;
const longestPauseMs = 5_000;
/**
 * V8 lets the young generation grow to 32 MB under load, and takes it back with the next full collection, minutes later: a
 * sawtooth of 60 MB in a process that lives on 15. One size all the time is flat; with 4 MB p99 is worse (docs/benchmarks.md).
 */
const youngGeneration = ['--min-semi-space-size=8', '--max-semi-space-size=8'];

export interface OfferedSocket {
  readonly listener: Listener;
  readonly socket: BoundSocket;
}

export interface WorkersOptions {
  readonly generation: number;
  readonly count: number;
  readonly stateDir: string;
  /** Where this supervisor listens now, and where it will be found later. */
  readonly connectTo: string;
  readonly home: string;
  readonly cookieKey: string;
  readonly ticketKeys: string;
  readonly dayKey: DayKey;
  readonly assignment: () => Assignment;
  readonly sockets: () => Iterable<OfferedSocket>;
  readonly counts: () => MergedCounts;
  readonly log: Log;
  /** UTC milliseconds. */
  readonly wall: () => number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Whenever a worker has come or gone. */
  readonly onChange: () => void;
}

/** The place of one active worker. */
interface Seat {
  readonly index: number;
  child: ChildProcess | null;
  startedAt: number;
  /** Deaths in a row soon after the start. */
  failures: number;
}

/** All workers of a gateway: those that this supervisor started, and retired ones of supervisors before it. */
export class Workers {
  readonly #options: WorkersOptions;
  readonly #seats: Seat[];
  readonly #links = new Set<WorkerLink>();
  readonly #children = new Map<number, { readonly child: ChildProcess; readonly seat: Seat }>();
  /** The first start: nothing is tried again, whoever waits is told. */
  #starting: PromiseWithResolvers<void> | null = null;
  #ending = false;
  #held: [WorkerLink, Extract<FromWorker, { readonly kind: 'counts' }>][] | null = null;
  readonly #watch: NodeJS.Timeout;
  readonly #pauses = new Set<NodeJS.Timeout>();

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.#seats = Array.from({ length: options.count }, (_, index) => ({
      index,
      child: null,
      startedAt: 0,
      failures: 0,
    }));
    let ticked = options.now();
    this.#watch = setInterval(() => {
      const late = options.now() - ticked > 2_000;
      ticked = options.now();
      // After a pause of this process (suspended, stopped) what workers have said is still unread.
      for (const link of this.#links) this.#look(link, late);
      options.counts().close(options.now());
    }, 1_000);
  }

  /**
   * Starts one worker a seat; resolves when all accept connections.
   *
   * @throws Error when one does not
   */
  async start(): Promise<void> {
    this.#starting = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => this.#starting?.reject(new Error(`not all workers were ready within ${beginMs} ms`)),
      beginMs,
    );
    for (const seat of this.#seats) this.#spawn(seat);
    try {
      await this.#starting.promise;
    } finally {
      clearTimeout(timer);
      this.#starting = null;
    }
  }

  /** A worker has connected and said who it is. */
  welcome(hello: Extract<FromWorker, { readonly kind: 'hello' }>, stream: Duplex): void {
    const { generation, log, wall, counts } = this.#options;
    const known = this.#children.get(hello.pid);
    const own = known !== undefined && hello.generation === generation && !hello.retired;
    const link = new WorkerLink(hello, own ? known.child : null, stream, wall(), {
      message: (from, message) => this.#onMessage(from, message),
      gone: (from) => this.#onGone(from),
    });
    this.#links.add(link);
    const report = counts().join(link.id, hello.countedTo);
    link.send({ kind: 'counted', report });
    if (hello.protocol !== workerProtocol) {
      log('warn', 'worker-protocol', { pid: hello.pid, protocol: hello.protocol });
      this.retire(link);
    } else if (own) void this.#begin(link);
    else {
      link.begun = true;
      this.retire(link);
      void this.#follow(link, { kind: 'table', table: this.#options.assignment().table });
    }
    this.#options.onChange();
  }

  async #begin(link: WorkerLink): Promise<void> {
    const { assignment, cookieKey, ticketKeys, dayKey, sockets, log, wall } = this.#options;
    const offered = [...sockets()];
    for (const { listener, socket } of offered)
      link.passSocket({ kind: 'socket', listener, host: socket.host, port: socket.port }, socket.handle);
    link.begun = true;
    const listeners = offered.map(({ listener }) => listener.name);
    const begin = {
      kind: 'begin',
      assignment: assignment(),
      cookieKey,
      ticketKeys,
      dayKey: dayKey.state(wall()),
      listeners,
    } as const;
    try {
      await link.ask(begin, beginMs);
    } catch (error) {
      log('error', 'worker-failed', { pid: link.pid, message: messageOf(error) });
      this.#starting?.reject(error);
      await link.kill();
      return;
    }
    if (link.state === 'starting') link.enter('active', wall());
    log('info', 'worker-active', { pid: link.pid });
    if (this.#seats.every(({ child }) => this.#active(child))) this.#starting?.resolve();
    this.#options.onChange();
    const seat = this.#children.get(link.pid)?.seat;
    for (const other of this.#links)
      if (other.leavingSeat !== null && other.leavingSeat === seat?.index && other.state === 'active')
        this.retire(other);
  }

  #active(child: ChildProcess | null): boolean {
    if (child === null) return false;
    return [...this.#links].some((link) => link.child === child && link.state === 'active');
  }

  /** It accepts nothing more from now on. */
  retire(link: WorkerLink): void {
    link.enter('retired', this.#options.wall());
    link.send({ kind: 'retire', lingerMs: this.#options.assignment().settings.lingerMs });
  }

  /**
   * Asks every worker to follow a change, and resolves when all do. One that does not in time is killed and replaced: it
   * could send requests where they must not go any more.
   *
   * @throws Error with what a worker says that lives and cannot (a port that it cannot listen on)
   */
  async follow(question: Question, which: 'all' | 'own' = 'all'): Promise<void> {
    const links = [...this.#links].filter((link) => link.begun && (which === 'all' || link.state !== 'retired'));
    const failures = await Promise.all(links.map((link) => this.#follow(link, question)));
    const failure = failures.find((one) => one !== null);
    if (failure !== undefined) throw failure;
  }

  async #follow(link: WorkerLink, question: Question): Promise<unknown> {
    try {
      await link.ask(question, followMs);
      return null;
    } catch (error) {
      if (!(error instanceof WorkerSilent)) return error;
      if (!link.isGone) {
        this.#options.log('error', 'worker-hung', { pid: link.pid, message: error.message });
        await link.kill();
      }
      return null;
    }
  }

  /** Passes a new listening socket to every worker that accepts connections. @throws Error when one cannot listen */
  async listen({ listener, socket }: OfferedSocket): Promise<void> {
    for (const link of this.#links) {
      if (link.begun && link.child !== null && link.state !== 'retired')
        link.passSocket({ kind: 'socket', listener, host: socket.host, port: socket.port }, socket.handle);
    }
    await this.follow({ kind: 'listen', name: listener.name }, 'own');
  }

  /** Asks every worker and collects what those say that live; one that is silent says nothing. */
  async collect(
    question: Question,
    timeoutMs: number | null,
    signal: AbortSignal | null = null,
  ): Promise<WorkerAnswer[]> {
    const asked = [...this.#links]
      .filter(({ begun }) => begun)
      .map(async (link) =>
        link.ask(question, timeoutMs, signal).catch((error: unknown) => {
          if (error instanceof WorkerSilent) return null;
          throw error;
        }),
      );
    return Promise.all(asked);
  }

  async health(): Promise<readonly WorkerHealth[]> {
    const links = [...this.#links].sort((a, b) => a.generation - b.generation || a.pid - b.pid);
    return Promise.all(links.map(async (link) => link.health(await link.load(loadMs))));
  }

  /** By which counts know the workers. */
  get ids(): ReadonlySet<string> {
    return new Set([...this.#links].map(({ id }) => id));
  }

  /** Process ids of the workers that would go on without this supervisor, and start another one. */
  get pids(): readonly number[] {
    return this.#seats.flatMap(({ child }) => child?.pid ?? []);
  }

  get allPids(): readonly number[] {
    return [...new Set([...this.pids, ...[...this.#links].map(({ pid }) => pid)])];
  }

  /** Waits for workers of another supervisor; one that lives and does not come in time is killed, as it follows nobody. */
  async arrival(pids: readonly number[]): Promise<void> {
    const { stateDir, home, log, now } = this.#options;
    const missing = async (): Promise<readonly number[]> => {
      const here = new Set([...this.#links].map(({ pid }) => pid));
      const away = pids.filter((pid) => !here.has(pid));
      const live = await Promise.all(away.map((pid) => isGateway(pid, stateDir, home)));
      return away.filter((_, i) => live[i] === true);
    };
    for (const deadline = now() + followMs; !this.#ending; await sleep(arrivalPollMs)) {
      const late = await missing();
      if (late.length === 0) return;
      if (now() < deadline) continue;
      for (const pid of late) {
        log('error', 'worker-lost', { pid, message: 'It did not come to the new supervisor.' });
        process.kill(pid, 'SIGKILL');
      }
      return;
    }
  }

  /** What one says to all. */
  tell(message: Parameters<WorkerLink['send']>[0], except: WorkerLink | null = null): void {
    for (const link of this.#links) if (link !== except && link.begun) link.send(message);
  }

  /** Ends all workers: streams are told, requests in flight get `drainMs`; what is left then is killed. */
  async stop(drainMs: number): Promise<void> {
    this.#end();
    for (const link of this.#links) link.send({ kind: 'stop', drainMs });
    for (const { child } of this.#children.values()) {
      if (![...this.#links].some((link) => link.child === child)) child.kill('SIGKILL');
    }
    const ended = Promise.all([...this.#links].map((link) => link.gone));
    const timer = Promise.withResolvers<void>();
    const late = setTimeout(timer.resolve, drainMs + 3_000);
    await Promise.race([ended, timer.promise]);
    clearTimeout(late);
    await Promise.all([...this.#links].map((link) => link.kill()));
  }

  /** Another supervisor is in charge: every worker is left to find it. */
  leaveAll(): void {
    this.#end();
    for (const link of this.#links) link.leave();
    for (const { child } of this.#children.values()) if (child.connected) child.disconnect();
  }

  /** Counts that workers report are kept and not taken, until `releaseReports`. */
  holdReports(): void {
    this.#held ??= [];
  }

  releaseReports(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const [link, message] of held) this.#onMessage(link, message);
  }

  #end(): void {
    this.#ending = true;
    clearInterval(this.#watch);
    for (const pause of this.#pauses) clearTimeout(pause);
  }

  #spawn(seat: Seat): void {
    const { generation, stateDir, connectTo, home, log, now } = this.#options;
    // The same program from sources and from the built package.
    const extension = path.extname(fileURLToPath(import.meta.url));
    const program = fileURLToPath(new URL(`../worker/main${extension}`, import.meta.url));
    const child = spawn(
      process.execPath,
      [
        ...youngGeneration,
        program,
        '--state-dir',
        stateDir,
        '--socket',
        connectTo,
        '--home',
        home,
        '--generation',
        String(generation),
        '--index',
        String(seat.index),
      ],
      { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], serialization: 'json' },
    );
    seat.child = child;
    seat.startedAt = now();
    child.on('error', (error) => log('error', 'worker-not-started', { message: error.message }));
    const { pid } = child;
    if (pid !== undefined) this.#children.set(pid, { child, seat });
    child.once('exit', (code, signal) => this.#onExit(seat, child, code, signal));
    this.#options.onChange();
  }

  #onExit(seat: Seat, child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    const { log, now } = this.#options;
    if (child.pid !== undefined) this.#children.delete(child.pid);
    if (this.#ending) return;
    const wasSeated = seat.child === child;
    log(wasSeated ? 'error' : 'info', 'worker-ended', { pid: child.pid, code, signal });
    this.#options.onChange();
    if (!wasSeated) return;
    seat.child = null;
    if (this.#starting !== null) {
      this.#starting.reject(new Error(`a worker ended with ${signal ?? `status ${code}`} before it was ready`));
      return;
    }
    seat.failures = now() - seat.startedAt < youngMs ? seat.failures + 1 : 0;
    const pauseMs = seat.failures <= 1 ? 0 : Math.min(longestPauseMs, 100 * 2 ** (seat.failures - 2));
    const pause = setTimeout(() => {
      this.#pauses.delete(pause);
      this.#spawn(seat);
    }, pauseMs);
    this.#pauses.add(pause);
  }

  #onMessage(link: WorkerLink, message: Exclude<FromWorker, { readonly kind: 'hello' | 'done' | 'failed' }>): void {
    const { counts, now, log } = this.#options;
    switch (message.kind) {
      case 'counts':
        if (this.#held !== null) {
          this.#held.push([link, message]);
          return;
        }
        counts().report(link.id, message.report, message.seconds, now());
        link.send({ kind: 'counted', report: message.report });
        return;
      case 'here':
        return;
      case 'use':
        this.tell({ kind: 'absorb', use: message.use }, link);
        return;
      case 'leaving': {
        if (link.state === 'retired' || this.#ending) return;
        log('info', 'worker-leaving', { pid: link.pid });
        const seat = this.#seats.find(({ child }) => child === link.child);
        if (seat === undefined) return;
        link.leavingSeat = seat.index;
        this.#spawn(seat);
        return;
      }
    }
  }

  #onGone(link: WorkerLink): void {
    const { counts, now } = this.#options;
    this.#links.delete(link);
    counts().leave(link.id, now());
    this.#options.onChange();
    // Without its connection it could not follow any change.
    if (!this.#ending && link.child !== null && link.child.exitCode === null && link.child.signalCode === null) {
      link.child.kill('SIGKILL');
    }
  }

  #look(link: WorkerLink, late: boolean): void {
    link.silentTicks = late ? 0 : link.silentTicks + 1;
    if (link.silentTicks <= silentLimit) return;
    this.#options.log('error', 'worker-hung', { pid: link.pid, message: `silent for ${silentLimit} s` });
    void link.kill();
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
