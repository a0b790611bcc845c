import type { InstanceStatus, SlotDesire } from '../drivers/runtime/runtime.ts';
import type { ReleaseId } from '../core/release/release.ts';
import { isCrashLooping, noteExit } from '../core/plan/restart.ts';
import type { Behaviour } from './platform.ts';
import type { Random } from './random.ts';
import type { Report } from './report.ts';
import type { Timeline } from './timeline.ts';

export interface InstanceWorld {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly report: Report;
  readonly behaviour: (release: string) => Behaviour;
  /** Just before an instance is told to end because nobody wants it any more. */
  readonly onStop: (instance: SimulatedInstance) => void;
  readonly onChange: (instance: SimulatedInstance) => void;
}

const WORTH = { ready: 4, unready: 3, starting: 2, down: 1, stopping: 0, gone: 0 } as const;
const FIRST_PORT = 20_000;

/** One running copy: starts, gets ready, dies by itself, comes back with backoff, ends when told. */
export class SimulatedInstance {
  readonly id: string;
  readonly order: number;
  readonly release: ReleaseId;
  readonly environment: string;
  readonly service: string;
  life: 'down' | 'starting' | 'ready' | 'unready' | 'stopping' | 'gone' = 'down';
  /** Users were on it until then (ms); null: they are now, or never were. */
  leftTrafficAt: number | null = null;
  /** The last request that it had when users left ends then (ms). */
  busyUntil = 0;
  drainAskedAt = -1;
  readonly #desire: SlotDesire;
  readonly #world: InstanceWorld;
  /** Rises with every launch and end, so that what was planned for an earlier life does not happen. */
  #turn = 0;
  #exits: readonly number[] = [];
  #startAt = 0;
  #startedAt = 0;
  #reason: string | null = null;

  constructor(id: string, order: number, desire: SlotDesire, world: InstanceWorld) {
    this.id = id;
    this.order = order;
    this.release = desire.release;
    this.environment = desire.ref.environment;
    this.service = desire.ref.service;
    this.#desire = desire;
    this.#world = world;
  }

  get worth(): number {
    return WORTH[this.life];
  }

  get behaviour(): Behaviour {
    return this.#world.behaviour(this.release);
  }

  launch(): void {
    const { timeline, random } = this.#world;
    if (this.life !== 'down' || timeline.now < this.#startAt) return;
    this.life = 'starting';
    this.#startedAt = timeline.now;
    const { start, startMs, diesAfterMs } = this.behaviour;
    const { startup } = this.#desire.health;
    const readyAfterMs = startMs + random.int(0, 200);
    if (start === 'exits') this.#then(readyAfterMs, () => this.#end('exited with status 1'));
    else if (start === 'never-ready')
      this.#then(startup.intervalMs * startup.failures, () => this.#end('port never opened'));
    else {
      this.#then(readyAfterMs, () => {
        this.#become('ready', null);
        if (diesAfterMs !== null)
          this.#then(diesAfterMs + random.int(0, 2_000), () => this.#end('exited with status 3'));
      });
    }
  }

  /** It dies by itself, from one moment to the next. */
  die(): void {
    if (this.life === 'ready' || this.life === 'starting' || this.life === 'unready') this.#end('killed by signal 9');
  }

  /** It says by itself that it cannot take traffic, for a while. */
  beUnready(forMs: number): void {
    if (this.life !== 'ready') return;
    this.#become('unready', 'answered 503');
    this.#world.timeline.after(forMs, () => {
      if (this.life === 'unready') this.#become('ready', null);
    });
  }

  /** It is not wanted any more. */
  stop(): void {
    if (this.life === 'stopping' || this.life === 'gone') return;
    this.#world.onStop(this);
    const wasDown = this.life === 'down';
    this.#become('stopping', null);
    this.#turn += 1;
    this.#then(wasDown ? 0 : Math.min(this.behaviour.stopMs, this.#desire.stopGraceMs), () =>
      this.#become('gone', null),
    );
  }

  status(): InstanceStatus {
    return {
      id: this.id,
      state: this.#state(),
      address: { host: '127.0.0.1', port: FIRST_PORT + this.order },
      pid: this.life === 'down' ? null : this.order,
      startedAt: this.#startedAt,
      restarts: this.#exits.length,
      reason: this.life === 'ready' ? null : this.#reason,
    };
  }

  #end(reason: string): void {
    const { timeline } = this.#world;
    const { exits, startAt } = noteExit(this.#exits, this.#desire.restart, timeline.now);
    this.#exits = exits;
    this.#startAt = startAt;
    this.#turn += 1;
    this.#become('down', reason);
    this.#then(startAt - timeline.now, () => {
      this.launch();
      this.#world.onChange(this);
    });
  }

  #become(life: SimulatedInstance['life'], reason: string | null): void {
    this.life = life;
    this.#reason = reason;
    this.#world.report.trace('machine', () => `${this.id}: ${life}${reason === null ? '' : ` (${reason})`}`);
    this.#world.onChange(this);
  }

  #then(delayMs: number, run: () => void): void {
    const turn = this.#turn;
    this.#world.timeline.after(delayMs, () => {
      if (turn === this.#turn) run();
    });
  }

  #state(): InstanceStatus['state'] {
    if (this.life === 'stopping' || this.life === 'gone') return 'stopping';
    if (this.life === 'ready') return 'ready';
    if (isCrashLooping(this.#exits, this.#desire.restart, this.#world.timeline.now)) return 'crash-looping';
    if (this.life === 'down') return this.#exits.length === 0 ? 'starting' : 'backing-off';
    return this.life === 'starting' ? 'starting' : 'unready';
  }
}
