import { isFinal, type DeploymentState } from '../core/rollout/state.ts';
import { FencedError } from '../errors.ts';
import { MemoryEvidenceStore } from '../store/memory-evidence-store.ts';
import { ControlPlane } from './control-plane.ts';
import { Disk, type DiskParts } from './disk.ts';
import { Inspector } from './inspector.ts';
import { People } from './people.ts';
import { platformOf, type SimulatedPlatform } from './platform.ts';
import { Death, type Process } from './process.ts';
import { Random } from './random.ts';
import { Report, type Broken, type Counts } from './report.ts';
import { roughnessOf, type Roughness } from './scenario.ts';
import { Timeline } from './timeline.ts';
import { startTroubles, type Mood } from './troubles.ts';
import { Truth } from './truth.ts';
import { buildPlace, type Place } from './world.ts';

export interface RunOptions {
  readonly seed: number;
  /** Keep the lines of the trace. */
  readonly trace: boolean;
  readonly crashAt?: DiskParts['crashAt'];
}

export interface RunResult {
  readonly seed: number;
  readonly broken: Broken | null;
  readonly counts: Counts;
  /** Simulated milliseconds. */
  readonly simulatedMs: number;
  readonly events: number;
  readonly trace: readonly string[];
}

const SECOND_MS = 1_000;
/** 2026-01-01T00:00:00Z, so that times look like times. */
const BEGINNING = 1_767_225_600_000;
/** Once nothing goes wrong any more, everything must have ended within this. */
const LONGEST_END_MS = 2 * 3_600_000;
/** And what is left over must be gone so long after that. */
const CLEAN_UP_MS = 120_000;
const CALM_MS = 10_000;
const LEAST_BETWEEN_CRASHES_MS = 15_000;

/** With nothing in its way, an undo is over this soon: routing, draining and stopping, each with its longest backoff. */
const LONGEST_UNDO_MS = 60_000;

/** Users may be on a bad release while it is taken back: that does not wait for anything but the world. */
class UndoWatch {
  readonly #report: Report;
  readonly #truth: Truth;
  readonly #now: () => number;
  readonly #since = new Map<string, number>();

  constructor(report: Report, truth: Truth, now: () => number) {
    this.#report = report;
    this.#truth = truth;
    this.#now = now;
  }

  look(): void {
    for (const { plan, phase, stage } of this.#truth.ledger.active()) {
      if (phase !== 'reverting' && phase !== 'stuck') continue;
      const since = this.#since.get(plan.id) ?? this.#now();
      this.#since.set(plan.id, since);
      if (this.#now() - since > LONGEST_UNDO_MS)
        this.#report.fail(
          'an undo is quick',
          `${plan.id} is ${phase}/${stage} for more than ${LONGEST_UNDO_MS / 1_000} s`,
        );
    }
  }
}

/** One run: the real engine in a world that the seed makes. */
export class Simulation {
  readonly #timeline = new Timeline();
  readonly #random: Random;
  readonly #report: Report;
  readonly #roughness: Roughness;
  readonly #platform: SimulatedPlatform;
  readonly #places = new Map<string, Place>();
  readonly #disk: Disk;
  readonly #evidence = new MemoryEvidenceStore();
  readonly #truth: Truth;
  readonly #inspector: Inspector;
  readonly #people: People;
  readonly #mood: Mood;
  readonly #planes: ControlPlane[] = [];
  readonly #seed: number;
  #epoch = 0;
  #wallOffset = BEGINNING;
  #frontOffset = BEGINNING;
  #lastLabel = 0;
  #crashedAt = 0;

  constructor(options: RunOptions) {
    this.#seed = options.seed;
    this.#random = new Random(`seed ${options.seed}`);
    this.#report = new Report(() => this.#timeline.now, options.trace);
    this.#roughness = roughnessOf(this.#random.fork('roughness'));
    this.#platform = platformOf(this.#random.fork('platform'), this.#roughness.badRelease);
    const parts = { timeline: this.#timeline, report: this.#report, roughness: this.#roughness };
    this.#truth = new Truth(this.#report);
    this.#inspector = new Inspector({
      report: this.#report,
      truth: this.#truth,
      platform: this.#platform,
      place: (environment) => this.#place(environment),
      now: () => this.#timeline.now,
    });
    this.#disk = new Disk({
      ...parts,
      random: this.#random.fork('disk'),
      kill: (process, why) => this.#kill(process, why),
      mayCrash: () => this.#mayCrash(),
      onRecorded: (entries) => {
        for (const state of this.#truth.take(entries)) this.#inspector.journaled(state);
      },
      onReplaced: (journal) => this.#truth.replace(journal),
      crashAt: options.crashAt ?? null,
    });
    for (const declared of this.#platform.environments) {
      const place = buildPlace(declared, {
        ...parts,
        random: this.#random.fork('places'),
        behaviour: (release) => this.#behaviour(release),
        onDesire: (ref, desire) => this.#inspector.desired(ref, desire),
        onStop: (instance) => this.#inspector.stopping(instance),
        onChange: (ref) => this.#inspector.reach(ref.environment, ref.service),
        onWrite: (environment, stamp, service, _before, after) =>
          this.#inspector.written(environment, stamp, service, after),
      });
      this.#places.set(declared.name, place);
    }
    this.#people = new People({
      ...parts,
      random: this.#random.fork('people'),
      platform: this.#platform,
      serving: () => this.#serving(),
    });
    this.#mood = startTroubles({
      ...parts,
      random: this.#random.fork('troubles'),
      places: [...this.#places.values()],
      disk: this.#disk,
      crash: (why) => {
        const plane = this.#newest();
        if (plane !== null && this.#mayCrash()) this.#kill(plane, why);
      },
      overlap: () => this.#overlap(),
      moveClock: (byMs) => {
        this.#wallOffset += byMs;
      },
    });
  }

  /** Something was thrown where nobody catches it. */
  threw(process: Process | null, error: unknown): void {
    if (error instanceof Death || error instanceof FencedError) return;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#report.fail('the engine does not throw', `${process?.name ?? 'a promise'}: ${text}`);
  }

  async run(): Promise<RunResult> {
    this.#report.trace('seed', () => `${this.#seed} ${JSON.stringify(this.#roughness)}`);
    this.#everySecond();
    this.#people.start();
    this.#begin();
    const isOver = await this.#until(() => this.#timeline.now >= this.#roughness.horizonMs);
    if (isOver) await this.#untilQuiet();
    return {
      seed: this.#seed,
      broken: this.#report.broken,
      counts: this.#report.counts,
      simulatedMs: this.#timeline.now,
      events: this.#timeline.events,
      trace: this.#report.lines,
    };
  }

  async #untilQuiet(): Promise<void> {
    this.#report.trace('world', () => 'from here on nothing goes wrong and nobody acts');
    const last = this.#timeline.now + LONGEST_END_MS;
    const hasEnded = (): boolean => this.#serving() !== null && this.#truth.ledger.active().length === 0;
    const undone = new UndoWatch(this.#report, this.#truth, () => this.#timeline.now);
    await this.#until(() => {
      undone.look();
      return hasEnded() || this.#timeline.now >= last;
    });
    const cleanUntil = this.#timeline.now + CLEAN_UP_MS;
    await this.#until(() => this.#timeline.now >= cleanUntil);
    // Whoever dies again and again by himself is out of the table a moment later.
    const calmUntil = this.#timeline.now + CALM_MS;
    await this.#until(() => this.#inspector.isCalm(this.#places.values()) || this.#timeline.now >= calmUntil);
    if (this.#report.broken !== null) return;
    this.#inspector.atTheEnd(this.#places.values());
    if (this.#roughness.crashesOnly) this.#inspector.nothingLost();
    const plane = this.#serving();
    if (plane?.running !== null && plane !== null) this.#truth.compare(plane.name, plane.running.ledger);
    this.#truth.verify(this.#disk.journal);
    for (const state of this.#truth.ledger.deployments()) {
      if (isFinal(state.phase)) this.#report.counts[state.phase] += 1;
    }
  }

  /** Lets things happen until the condition holds; false when an invariant broke first. */
  async #until(condition: () => boolean): Promise<boolean> {
    while (!condition() && this.#report.broken === null) {
      const before = this.#report.counts.entries;
      if (!(await this.#timeline.step())) return false;
      if (this.#report.counts.entries !== before) this.#compare();
    }
    return this.#report.broken === null;
  }

  #compare(): void {
    for (const plane of this.#planes) {
      if (plane.alive && plane.ready && plane === this.#newest() && plane.running !== null)
        this.#truth.compare(plane.name, plane.running.ledger);
    }
  }

  #begin(): void {
    this.#epoch += 1;
    const plane = new ControlPlane({
      name: `plane ${this.#epoch}`,
      epoch: this.#epoch,
      timeline: this.#timeline,
      report: this.#report,
      platform: this.#platform,
      places: this.#places,
      openJournal: (process) => this.#disk.openFor(process),
      evidence: this.#evidence,
      wall: () => this.#timeline.now + this.#wallOffset,
      onChange: (state) => this.#changed(plane, state),
      onThrow: (process, error) => {
        this.#kill(process, 'an error that nobody catches');
        this.threw(process, error);
      },
    });
    this.#planes.push(plane);
    this.#report.trace(plane.name, () => 'starts');
    plane.start().catch((error: unknown) => {
      // Said to whoever started it; it is started again.
      this.#kill(plane, `cannot start: ${error instanceof Error ? error.message : String(error)}`);
      if (error instanceof RangeError || error instanceof TypeError) this.threw(plane, error);
    });
  }

  #kill(process: Process, why: string): void {
    const plane = this.#planes.find((one) => one === process);
    if (plane === undefined || !plane.alive) return;
    const wasNewest = plane === this.#newest();
    const isGraceful = why === 'crash' && this.#random.chance(this.#roughness.graceful);
    if (isGraceful) plane.close();
    plane.alive = false;
    this.#report.counts.crashes += 1;
    this.#crashedAt = this.#timeline.now;
    this.#report.trace(plane.name, () => `dies${isGraceful ? ' in peace' : ''}: ${why}`);
    if (!wasNewest) return;
    const isRough = this.#timeline.now < this.#roughness.horizonMs;
    const longestMs = isRough && !this.#roughness.crashesOnly ? this.#random.pick([500, 5_000, 20_000]) : 500;
    this.#timeline.after(this.#random.int(50, longestMs), () => {
      if (isRough && this.#random.chance(this.#roughness.powerCut)) this.#powerCut();
      this.#begin();
    });
  }

  /** Where nothing but crashes happens, there is time in between for a deployment to get on. */
  #mayCrash(): boolean {
    return !this.#roughness.crashesOnly || this.#timeline.now - this.#crashedAt > LEAST_BETWEEN_CRASHES_MS;
  }

  /** Of the machine with the store: nobody who had it open goes on. */
  #powerCut(): void {
    for (const plane of this.#planes) this.#kill(plane, 'power cut');
    this.#disk.powerCut();
  }

  #overlap(): void {
    const old = this.#newest();
    if (old === null || !old.ready || !this.#mayCrash()) return;
    this.#report.counts.overlaps += 1;
    this.#report.trace('world', () => `${old.name} is believed dead, and is not`);
    this.#begin();
    this.#timeline.after(this.#random.int(1_000, 30_000), () => this.#kill(old, 'its machine is switched off'));
  }

  #changed(plane: ControlPlane, state: DeploymentState): void {
    if (plane !== this.#newest()) return;
    this.#truth.acknowledge(state);
    this.#people.changed(state);
  }

  /** Users, once a second. */
  #everySecond(): void {
    this.#timeline.after(SECOND_MS, () => {
      const { now } = this.#timeline;
      const aheadMs = this.#wallOffset - this.#frontOffset;
      // The gateway's seconds follow a clock that ran ahead, and wait for one that fell back.
      if (aheadMs > 2_000) this.#frontOffset += aheadMs;
      const label = Math.max(this.#lastLabel + 1, Math.floor((now + this.#frontOffset) / SECOND_MS) - 1);
      this.#lastLabel = label;
      const counted = now >= this.#mood.metricsUntil;
      const extraErrors = now < this.#mood.incidentUntil ? 0.3 : 0;
      for (const { front } of this.#places.values()) {
        for (const [index, service] of this.#platform.services.entries()) {
          const perSecond = 20 * (index + 1) + this.#random.int(0, 30);
          front.second(label, service, now < this.#mood.trafficUntil ? 0 : perSecond, extraErrors, counted);
        }
      }
      this.#everySecond();
    });
  }

  #newest(): ControlPlane | null {
    const plane = this.#planes.at(-1);
    return plane?.alive === true ? plane : null;
  }

  #serving(): ControlPlane | null {
    const plane = this.#newest();
    return plane?.ready === true ? plane : null;
  }

  #place(environment: string): Place {
    const place = this.#places.get(environment);
    if (place === undefined) throw new RangeError(`no environment ${environment}`);
    return place;
  }

  #behaviour(release: string) {
    const found = this.#platform.byId.get(release);
    if (found === undefined) throw new RangeError(`no release ${release}`);
    return found.behaviour;
  }
}
