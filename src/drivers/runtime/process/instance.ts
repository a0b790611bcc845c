import type { ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { adoptHealth, beginHealth, type HealthProgress } from '../../../core/plan/health.ts';
import { noteExit } from '../../../core/plan/restart.ts';
import type { InstanceView } from '../../../core/plan/supervise.ts';
import { exitInWords } from '../../../core/plan/words.ts';
import type { SlotRef } from '../../../core/slot.ts';
import type { Health, RestartPolicy } from '../../../core/spec/platform.ts';
import type { InstanceStatus, SlotDesire } from '../runtime.ts';
import { joinGroups, makeGroups, removeGroups, wasOutOfMemory, type CgroupRoots } from './cgroup.ts';
import { statusOf, viewOf, type InstanceSituation } from './instance-view.ts';
import { lastLine } from './last-line.ts';
import { HOST, launchInstance, signalGroup, startErrorInWords } from './launch.ts';
import { killLeftovers } from './leftovers.ts';
import { isPortFree, type Ports } from './ports.ts';
import { Prober } from './prober.ts';
import type { ProcessIdentity, ProcessTable } from './process-table.ts';
import {
  instanceDir,
  rawLogFile,
  writeRecord,
  type CgroupPlace,
  type InstanceRecord,
  type RecordedPhase,
} from './record.ts';

/** What an instance needs of its surroundings. */
export interface InstanceWorld {
  readonly stateDir: string;
  readonly table: ProcessTable;
  readonly cgroups: CgroupRoots;
  readonly ports: Ports;
  readonly now: () => number;
  /** How instances of its slot are probed and restarted at present. */
  readonly policy: (slot: SlotRef) => { readonly health: Health; readonly restart: RestartPolicy };
  readonly onChange: (slot: SlotRef) => void;
  /** Something that cannot be done, for `limitations`; null when that is over. */
  readonly onLimitation: (what: string, text: string | null) => void;
}

interface ProcessEnd {
  readonly status: number | null;
  readonly signal: string | null;
  /** Set when the program could not be started at all. */
  readonly error: NodeJS.ErrnoException | null;
}

type UpPhase = Extract<RecordedPhase, { kind: 'up' }>;

/** One instance: its record on disk, its process, its probes. Decisions are made elsewhere, by `supervise`. */
export class Instance {
  readonly #world: InstanceWorld;
  #record: InstanceRecord;
  #prober: Prober | null = null;
  #child: ChildProcess | null = null;
  /** The process has ended, what it left behind is being cleared away. */
  #clearing = false;
  /** It shall not come back after it has been cleared away. */
  #going = false;
  #killed = false;
  #overMemory = false;
  #watchesMemory = false;
  #abandoned = false;
  readonly #pending = new Set<Promise<void>>();

  constructor(world: InstanceWorld, record: InstanceRecord) {
    this.#world = world;
    this.#record = record;
  }

  get id(): string {
    return this.#record.id;
  }

  get ref(): SlotRef {
    return this.#record.ref;
  }

  get port(): number {
    return this.#record.port;
  }

  view(): InstanceView {
    return viewOf(this.#situation());
  }

  status(): InstanceStatus {
    return statusOf(this.#situation(), this.#world.policy(this.ref).restart, this.#world.now());
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

  /** Starts the process. Every failure to do so is an exit like any other: it has a reason and is tried again. */
  async launch(desire: SlotDesire): Promise<void> {
    try {
      await this.#settlePort();
      this.#record = {
        ...this.#record,
        launches: this.#record.launches + 1,
        stopGraceMs: desire.stopGraceMs,
        memoryLimit: desire.limits.memory,
        phase: { kind: 'launching', at: this.#world.now() },
      };
      // Must be on disk before the spawn: without it a crash in between would leave a process that nobody knows.
      writeRecord(this.#world.stateDir, this.#record);
      const place = await this.#makeGroups(desire);
      await this.#spawn(desire, place);
    } catch (error) {
      this.#child = null;
      await this.#noteEnd(`could not be started: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #settlePort(): Promise<void> {
    const { port } = this.#record;
    if (await isPortFree(port)) return;
    const other = await this.#world.ports.take();
    const { from, to } = this.#world.ports.range;
    if (other === null) throw new Error(`port ${port} is in use by another program and none is free in ${from}-${to}`);
    this.#world.ports.release(port);
    this.#record = { ...this.#record, port: other };
  }

  async #makeGroups(desire: SlotDesire): Promise<CgroupPlace | null> {
    try {
      const place = await makeGroups(this.#world.cgroups, this.id, desire.limits);
      this.#world.onLimitation(`limits of ${desire.ref.service}`, null);
      return place;
    } catch (error) {
      this.#world.onLimitation(
        `limits of ${desire.ref.service}`,
        `The kernel refused the limits of ${desire.ref.service}: ${error instanceof Error ? error.message : String(error)}.`,
      );
      return null;
    }
  }

  async #spawn(desire: SlotDesire, place: CgroupPlace | null): Promise<void> {
    const { stateDir, table, now } = this.#world;
    const child = launchInstance(stateDir, desire, this.id, this.port, this.#record.launches);
    const end = new Promise<ProcessEnd>((resolve) => {
      child.once('exit', (status, signal) => resolve({ status, signal, error: null }));
      child.once('error', (error) => resolve({ status: null, signal: null, error }));
    });
    const { pid } = child;
    if (pid === undefined) {
      const { error } = await end;
      if (place !== null) await removeGroups(place);
      throw new Error(startErrorInWords(error, desire));
    }
    this.#child = child;
    const launchedAt = now();
    // A process that is gone already has no identity: recorded as one that nobody is.
    const identity: ProcessIdentity = (await table.identify(pid)) ?? { pid, startTime: 'unknown', bootId: 'unknown' };
    this.#up({
      kind: 'up',
      process: identity,
      launchedAt,
      started: false,
      ready: false,
      stopping: null,
      cgroup: place,
    });
    if (place !== null) await this.#join(place, pid);
    this.#watchesMemory = desire.limits.memory !== null && (this.#phaseUp()?.cgroup?.memory ?? null) === null;
    // The end may be far away: closing does not wait for it, only for what follows it.
    void end.then((how) => this.#ended(how));
    this.#startProbing(beginHealth(launchedAt));
  }

  async #join(place: CgroupPlace, pid: number): Promise<void> {
    try {
      await joinGroups(place, pid, this.#world.table);
    } catch (error) {
      // A process that has ended already cannot be moved; that is no limitation.
      if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return;
      this.#world.onLimitation('joining', `Instances could not be put into their control group: ${String(error)}.`);
      const phase = this.#phaseUp();
      if (phase !== null) this.#up({ ...phase, cgroup: null });
      await removeGroups(place);
    }
  }

  #phaseUp(): UpPhase | null {
    return this.#record.phase.kind === 'up' ? this.#record.phase : null;
  }

  #up(phase: UpPhase): void {
    this.#record = { ...this.#record, phase };
    this.#save();
  }

  /** A record that cannot be written does not stop a running instance; what is on disk leads to it by its marker. */
  #save(): void {
    if (this.#abandoned) return;
    try {
      writeRecord(this.#world.stateDir, this.#record);
      this.#world.onLimitation('writing', null);
    } catch (error) {
      this.#world.onLimitation(
        'writing',
        `State of instances cannot be written: ${error instanceof Error ? error.message : String(error)}.`,
      );
    }
  }

  #startProbing(progress: HealthProgress): void {
    this.#prober = new Prober({
      address: { host: HOST, port: this.port },
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

  /** Takes up an instance found on disk: supervises it when it lives, notes its end when it does not. */
  async adopt(strays: readonly ProcessIdentity[]): Promise<void> {
    const { phase } = this.#record;
    // The clock that the record's times come from may have been ahead of ours.
    const before = (time: number): number => Math.min(time, this.#world.now());
    if (phase.kind === 'launching') {
      const [found] = strays;
      if (found === undefined) {
        this.#record = { ...this.#record, phase: { kind: 'down', startAt: 0 } };
        this.#save();
      } else {
        this.#up({
          kind: 'up',
          process: found,
          launchedAt: before(phase.at),
          started: false,
          ready: false,
          stopping: null,
          cgroup: null,
        });
        this.#watch(beginHealth(before(phase.at)));
      }
    } else if (phase.kind === 'up') {
      if (await this.#world.table.isAlive(phase.process)) {
        const stopping = phase.stopping === null ? null : { ...phase.stopping, since: before(phase.stopping.since) };
        this.#record = { ...this.#record, phase: { ...phase, launchedAt: before(phase.launchedAt), stopping } };
        this.#watch(adoptHealth(before(phase.launchedAt), phase));
      } else {
        await this.#ended({ status: null, signal: null, error: null });
      }
    } else if (strays.length > 0) {
      this.#clear(null);
    }
  }

  #watch(progress: HealthProgress): void {
    this.#watchesMemory = this.#record.memoryLimit !== null && (this.#phaseUp()?.cgroup?.memory ?? null) === null;
    if (this.#phaseUp()?.stopping === null) this.#startProbing(progress);
  }

  /** For an adopted instance, whose end is no event of ours: looks whether it still lives. */
  async checkAlive(): Promise<void> {
    const phase = this.#phaseUp();
    if (phase === null || this.#child !== null || this.#clearing) return;
    if (await this.#world.table.isAlive(phase.process)) return;
    if (this.#phaseUp() === phase) await this.#ended({ status: null, signal: null, error: null });
  }

  /** Where no control group does it: kills the instance when it uses more memory than its limit. */
  async checkMemory(): Promise<void> {
    const phase = this.#phaseUp();
    const limit = this.#record.memoryLimit;
    if (!this.#watchesMemory || phase === null || limit === null || this.#killed) return;
    if ((await this.#world.table.residentBytes(phase.process.pid)) <= limit || this.#phaseUp() !== phase) return;
    this.#overMemory = true;
    await this.kill();
  }

  /** SIGTERM to the process group; the end is noticed, not waited for. */
  async stop(forGood: boolean): Promise<void> {
    const phase = this.#phaseUp();
    if (phase === null) return;
    const cause = this.#prober?.progress.failure ?? null;
    this.#prober?.stop();
    this.#up({ ...phase, stopping: { since: this.#world.now(), forGood, cause: forGood ? null : cause } });
    this.#world.onChange(this.ref);
    await this.#signal(phase, 'SIGTERM');
  }

  async kill(): Promise<void> {
    const phase = this.#phaseUp();
    if (phase === null) return;
    this.#killed = true;
    await this.#signal(phase, 'SIGKILL');
  }

  // Our own child's pid is not reused before we have heard of its end; an adopted one is looked at again first.
  async #signal(phase: UpPhase, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.#child !== null || (await this.#world.table.isAlive(phase.process)))
      signalGroup(phase.process.pid, signal);
  }

  letGo(): void {
    this.#going = true;
    const phase = this.#phaseUp();
    if (phase === null || phase.stopping === null) return;
    this.#up({ ...phase, stopping: { ...phase.stopping, forGood: true } });
    this.#world.onChange(this.ref);
  }

  /** Gives back its port and leaves the folder to the log collector. */
  async forget(): Promise<void> {
    this.#world.ports.release(this.port);
    this.#record = { ...this.#record, phase: { kind: 'gone' } };
    this.#save();
    const folder = instanceDir(this.#world.stateDir, this.id);
    for (const name of ['home', 'tmp']) {
      // What an instance wrote may be stubborn (a folder without permissions): the log collector takes the folder later.
      await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined);
    }
  }

  /** Stops watching; the process goes on. Resolves when nothing of ours is under way any more. */
  async abandon(): Promise<void> {
    this.#prober?.stop();
    while (this.#pending.size > 0) await Promise.all(this.#pending);
    this.#abandoned = true;
  }

  #track(work: Promise<void>): Promise<void> {
    this.#pending.add(work);
    return work.finally(() => this.#pending.delete(work));
  }

  async #ended(end: ProcessEnd): Promise<void> {
    const phase = this.#phaseUp();
    if (phase === null || this.#abandoned) return;
    await this.#track(this.#finish(phase, end));
  }

  async #finish(phase: UpPhase, end: ProcessEnd): Promise<void> {
    this.#prober?.stop();
    this.#clearing = true;
    this.#going = phase.stopping?.forGood ?? false;
    const outOfMemory = this.#overMemory || (phase.cgroup !== null && (await wasOutOfMemory(phase.cgroup)));
    const words = exitInWords({
      status: end.status,
      signal: end.signal,
      ranMs: this.#world.now() - phase.launchedAt,
      lastErrorLine: await lastLine(rawLogFile(this.#world.stateDir, this.id, this.#record.launches, 'stderr')),
      overMemoryLimit: outOfMemory ? this.#record.memoryLimit : null,
    });
    this.#child = null;
    if (!this.#going) {
      await this.#noteEnd(phase.stopping?.cause ?? words);
    } else {
      this.#record = { ...this.#record, phase: { kind: 'down', startAt: 0 } };
      this.#save();
      this.#world.onChange(this.ref);
    }
    await this.#clearAway(phase.cgroup);
  }

  #clear(cgroup: CgroupPlace | null): void {
    this.#clearing = true;
    void this.#track(this.#clearAway(cgroup));
  }

  async #clearAway(cgroup: CgroupPlace | null): Promise<void> {
    await killLeftovers(this.#world.table, this.id, cgroup);
    if (cgroup !== null) await removeGroups(cgroup);
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
