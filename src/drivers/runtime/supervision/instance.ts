import { adoptHealth, beginHealth, type HealthProgress } from '../../../core/plan/health.ts';
import { noteExit } from '../../../core/plan/restart.ts';
import type { InstanceView } from '../../../core/plan/supervise.ts';
import { exitInWords } from '../../../core/plan/words.ts';
import type { SlotRef } from '../../../core/slot.ts';
import type { Health, RestartPolicy } from '../../../core/spec/platform.ts';
import type { InstanceStatus, SlotDesire } from '../runtime.ts';
import { statusOf, viewOf, type InstanceSituation } from './instance-view.ts';
import { Prober } from './prober.ts';
import type { InstanceRecord, RecordedPhase } from './records.ts';
import type { End, Vessel } from './vessel.ts';

/** What an instance needs of its surroundings. */
export interface InstanceWorld<Hold> {
  readonly vessel: Vessel<Hold>;
  readonly now: () => number;
  /** How instances of its slot are probed and restarted at present. */
  readonly policy: (slot: SlotRef) => { readonly health: Health; readonly restart: RestartPolicy };
  readonly onChange: (slot: SlotRef) => void;
  /** Something that cannot be done, for `limitations`; null when that is over. */
  readonly onLimitation: (what: string, text: string | null) => void;
}

type UpPhase<Hold> = Extract<RecordedPhase<Hold>, { kind: 'up' }>;

/** One instance: its record on disk, what it runs in, its probes. Decisions are made elsewhere, by `supervise`. */
export class Instance<Hold> {
  readonly #world: InstanceWorld<Hold>;
  #record: InstanceRecord<Hold>;
  #prober: Prober | null = null;
  /** We hear of its end. */
  #isFollowed = false;
  /** It has ended, what it left behind is being cleared away. */
  #clearing = false;
  /** It shall not come back after it has been cleared away. */
  #going = false;
  #killed = false;
  #overMemory = false;
  #abandoned = false;
  readonly #pending = new Set<Promise<void>>();

  constructor(world: InstanceWorld<Hold>, record: InstanceRecord<Hold>) {
    this.#world = world;
    this.#record = record;
  }

  get id(): string {
    return this.#record.id;
  }

  get ref(): SlotRef {
    return this.#record.ref;
  }

  view(): InstanceView {
    return viewOf(this.#situation());
  }

  status(): InstanceStatus {
    const { policy, now, vessel } = this.#world;
    return statusOf(this.#situation(), vessel.place(this.#record), policy(this.ref).restart, now());
  }

  #situation(): InstanceSituation {
    return {
      record: this.#record,
      progress: this.#prober?.progress ?? null,
      health: this.#health(),
      clearing: this.#clearing,
      going: this.#going,
      killed: this.#killed,
    };
  }

  #health(): Health {
    return this.#world.policy(this.ref).health;
  }

  /** Starts it. Every failure to do so is an exit like any other: it has a reason and is tried again. */
  async launch(desire: SlotDesire): Promise<void> {
    const { vessel, now } = this.#world;
    try {
      this.#record = { ...this.#record, ...(await vessel.settle(this.#record, desire)) };
      this.#record = {
        ...this.#record,
        launches: this.#record.launches + 1,
        stopGraceMs: desire.stopGraceMs,
        memoryLimit: desire.limits.memory,
        phase: { kind: 'launching', at: now() },
      };
      // Must be on disk before the start: without it a crash in between would leave an instance that nobody knows.
      vessel.write(this.#record);
      const { hold, ended } = await vessel.start(this.#record, desire);
      const launchedAt = now();
      this.#isFollowed = true;
      this.#up({ kind: 'up', process: hold, launchedAt, started: false, ready: false, stopping: null });
      this.#follow(ended);
      this.#startProbing(beginHealth(launchedAt));
    } catch (error) {
      this.#isFollowed = false;
      await this.#noteEnd(`could not be started: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** The end may be far away: closing does not wait for it, only for what follows it. */
  #follow(ended: Promise<End>): void {
    const phase = this.#phaseUp();
    const hold = phase?.process;
    const isSame = (): boolean => this.#phaseUp()?.process === hold;
    void ended.then(
      (end) => (isSame() ? this.#ended(end) : undefined),
      // Nobody tells us any more: it is looked for.
      () => {
        if (isSame()) this.#isFollowed = false;
      },
    );
  }

  #phaseUp(): UpPhase<Hold> | null {
    return this.#record.phase.kind === 'up' ? this.#record.phase : null;
  }

  #up(phase: UpPhase<Hold>): void {
    this.#record = { ...this.#record, phase };
    this.#save();
  }

  /** A record that cannot be written does not stop a running instance; what is on disk leads to it by its marker. */
  #save(): void {
    if (this.#abandoned) return;
    const { vessel, onLimitation } = this.#world;
    try {
      vessel.write(this.#record);
      onLimitation('writing', null);
    } catch (error) {
      onLimitation(
        'writing',
        `State of instances cannot be written: ${error instanceof Error ? error.message : String(error)}.`,
      );
    }
  }

  #startProbing(progress: HealthProgress): void {
    this.#prober = new Prober({
      address: { host: this.#world.vessel.place(this.#record).host, port: this.#record.port },
      health: () => this.#health(),
      progress,
      now: this.#world.now,
      onProgress: (latest) => {
        const phase = this.#phaseUp();
        if (phase === null) return;
        if (phase.started !== latest.started || phase.ready !== latest.ready) {
          this.#up({ ...phase, started: latest.started, ready: latest.ready });
        }
        this.#world.onChange(this.ref);
      },
    });
    this.#prober.start();
  }

  /**
   * Takes up an instance found on disk: supervises it when it lives, notes its end when it does not.
   *
   * @param strays what carries its marker
   */
  async adopt(strays: readonly Hold[]): Promise<void> {
    const { phase } = this.#record;
    // The clock that the record's times come from may have been ahead of ours.
    const before = (time: number): number => Math.min(time, this.#world.now());
    if (phase.kind === 'launching') {
      const [found] = strays;
      if (found === undefined) {
        this.#record = { ...this.#record, phase: { kind: 'down', startAt: 0 } };
        this.#save();
      } else {
        const launchedAt = before(phase.at);
        this.#up({ kind: 'up', process: found, launchedAt, started: false, ready: false, stopping: null });
        this.#watch(found, beginHealth(launchedAt));
      }
    } else if (phase.kind === 'up') {
      if (await this.#world.vessel.isAlive(phase.process)) {
        const stopping = phase.stopping === null ? null : { ...phase.stopping, since: before(phase.stopping.since) };
        const up = { ...phase, launchedAt: before(phase.launchedAt), stopping };
        this.#record = { ...this.#record, phase: up };
        this.#watch(up.process, adoptHealth(before(phase.launchedAt), phase));
      } else {
        await this.#ended({ status: null, signal: null });
      }
    } else if (strays.length > 0) {
      this.#clear(null);
    }
  }

  #watch(hold: Hold, progress: HealthProgress): void {
    const ended = this.#world.vessel.follow(hold);
    this.#isFollowed = ended !== null;
    if (ended !== null) this.#follow(ended);
    if (this.#phaseUp()?.stopping === null) this.#startProbing(progress);
  }

  /** Where its end is no event of ours: looks whether it still lives. */
  async checkAlive(): Promise<void> {
    const phase = this.#phaseUp();
    if (phase === null || this.#isFollowed || this.#clearing) return;
    const isAlive = await this.#world.vessel.isAlive(phase.process);
    if (this.#phaseUp() !== phase || this.#isFollowed) return;
    if (!isAlive) return this.#ended({ status: null, signal: null });
    const ended = this.#world.vessel.follow(phase.process);
    this.#isFollowed = ended !== null;
    if (ended !== null) this.#follow(ended);
  }

  /** Where nothing else does it: kills the instance when it uses more memory than its limit. */
  async checkMemory(): Promise<void> {
    const phase = this.#phaseUp();
    if (phase === null || this.#killed) return;
    if (!(await this.#world.vessel.isOverMemory(this.#record, phase.process)) || this.#phaseUp() !== phase) return;
    this.#overMemory = true;
    await this.kill();
  }

  /** SIGTERM; the end is noticed, not waited for. */
  async stop(forGood: boolean): Promise<void> {
    const phase = this.#phaseUp();
    if (phase === null) return;
    const cause = this.#prober?.progress.failure ?? null;
    this.#prober?.stop();
    this.#up({ ...phase, stopping: { since: this.#world.now(), forGood, cause: forGood ? null : cause } });
    this.#world.onChange(this.ref);
    await this.#world.vessel.signal(phase.process, 'SIGTERM', this.#isFollowed);
  }

  async kill(): Promise<void> {
    const phase = this.#phaseUp();
    if (phase === null) return;
    this.#killed = true;
    await this.#world.vessel.signal(phase.process, 'SIGKILL', this.#isFollowed);
  }

  letGo(): void {
    this.#going = true;
    const phase = this.#phaseUp();
    if (phase === null || phase.stopping === null) return;
    this.#up({ ...phase, stopping: { ...phase.stopping, forGood: true } });
    this.#world.onChange(this.ref);
  }

  /** It never runs again. */
  async forget(): Promise<void> {
    this.#record = { ...this.#record, phase: { kind: 'gone' } };
    this.#save();
    await this.#world.vessel.forget(this.#record);
  }

  /** Stops watching; the instance goes on. Resolves when nothing of ours is under way any more. */
  async abandon(): Promise<void> {
    this.#prober?.stop();
    while (this.#pending.size > 0) await Promise.all(this.#pending);
    this.#abandoned = true;
  }

  #track(work: Promise<void>): Promise<void> {
    this.#pending.add(work);
    return work.finally(() => this.#pending.delete(work));
  }

  async #ended(end: End): Promise<void> {
    const phase = this.#phaseUp();
    if (phase === null || this.#abandoned) return;
    await this.#track(this.#finish(phase, end));
  }

  async #finish(phase: UpPhase<Hold>, end: End): Promise<void> {
    this.#prober?.stop();
    this.#clearing = true;
    this.#going = phase.stopping?.forGood ?? false;
    const { outOfMemory, line, startFailure } = await this.#world.vessel.lastWords(this.#record, phase.process);
    const exit = exitInWords({
      status: end.status,
      signal: end.signal,
      ranMs: this.#world.now() - phase.launchedAt,
      lastErrorLine: line,
      overMemoryLimit: this.#overMemory || outOfMemory ? this.#record.memoryLimit : null,
    });
    const words = startFailure === null ? exit : `could not be started: ${startFailure}`;
    this.#isFollowed = false;
    if (!this.#going) {
      await this.#noteEnd(phase.stopping?.cause ?? words);
    } else {
      this.#record = { ...this.#record, phase: { kind: 'down', startAt: 0 } };
      this.#save();
      this.#world.onChange(this.ref);
    }
    await this.#clearAway(phase.process);
  }

  #clear(hold: Hold | null): void {
    this.#clearing = true;
    void this.#track(this.#clearAway(hold));
  }

  async #clearAway(hold: Hold | null): Promise<void> {
    await this.#world.vessel.clear(this.id, hold);
    this.#clearing = false;
    this.#going = false;
    this.#killed = false;
    this.#overMemory = false;
    this.#prober = null;
    this.#world.onChange(this.ref);
  }

  async #noteEnd(reason: string): Promise<void> {
    const { restart } = this.#world.policy(this.ref);
    const { exits, startAt } = noteExit(this.#record.exits, restart, this.#world.now());
    this.#record = { ...this.#record, exits: [...exits], lastExit: reason, phase: { kind: 'down', startAt } };
    this.#save();
    this.#world.onChange(this.ref);
  }
}
